/**
 * Makes the data packs of `facts/` that come from tables: regions, prices, transfer, countries, carbon.
 *
 *   node facts/build/tables.mjs DIR
 *
 * DIR holds the tables as they were collected (names as read below); where each came from stands in the header of its pack.
 * What is written by hand (blocs, residency-rules, hazards, corrections) is not touched. `facts/build/checksums.mjs` runs last.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const from = process.argv[2];
if (from === undefined) throw new Error('usage: node facts/build/tables.mjs DIR');
const out = new URL('../', import.meta.url);
const text = (name) => readFileSync(join(from, name), 'utf8');

/** CSV with quotes; the first line names the columns. */
function csv(name) {
  const rows = text(name)
    .trim()
    .split('\n')
    .map((line) => [...line.matchAll(/("([^"]*)"|[^,]*)(,|$)/g)].slice(0, -1).map((m) => (m[2] ?? m[1]).trim()));
  const [head, ...body] = rows;
  return body.map((cells) => Object.fromEntries(head.map((column, i) => [column, cells[i] ?? ''])));
}

/** One row a line: a change of one row is one line of a diff. */
function write(name, header, lists) {
  const lines = Object.entries({ pack: `farshore.facts.${header.schema}`, ...header.fields }).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  for (const [key, rows] of Object.entries(lists))
    lines.push(`  ${JSON.stringify(key)}: [\n${rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}\n  ]`);
  writeFileSync(new URL(name, out), `{\n${lines.join(',\n')}\n}\n`);
}

const round = (value, digits) => Number(Number(value).toFixed(digits));

// Regions. Where a correction exists the pack keeps what the source says; corrections.json says what is used instead.
const corrections = JSON.parse(readFileSync(new URL('corrections.json', out), 'utf8')).corrections;
const asInSource = new Map(
  corrections.filter(({ pack, field }) => pack === 'regions' && field === 'coordinates').map((c) => [c.row, c.from]),
);
const listed = new Set(csv('regions.csv').map((row) => `${row.provider}:${row.region}`));
const regions = csv('regions.csv').map((row) => {
  const id = `${row.provider}:${row.region}`;
  const [lat, lon] = asInSource.get(id) ?? [Number(row.lat), Number(row.lon)];
  return {
    id,
    place: row.place,
    country: row.country_iso2,
    lat: round(lat, 4),
    lon: round(lon, 4),
    zones: Number(row.az_count),
    // A pair that is not open to everybody (swedensouth) is no pair for us.
    ...(listed.has(`${row.provider}:${row.paired_region}`) ? { pair: `${row.provider}:${row.paired_region}` } : {}),
    ...(row.opt_in === 'yes' ? { optIn: true } : {}),
    ...(['aws:ap-east-2', 'aws:ap-southeast-6'].includes(id) ? { confidence: 'unconfirmed' } : {}),
  };
});
write(
  'regions.json',
  {
    schema: 'regions/v1',
    fields: {
      asOf: '2026-08',
      source:
        'Azure locations API via terraform-azurerm-avm-utl-regions (MIT); sovereignsky-site (MIT) and region-picker (Apache-2.0) for GCP; oaustegard.github.io aws-ping (Apache-2.0) for AWS, city level; zones: Azure API; GCP 3 assumed; AWS unconfirmed',
      licence: 'MIT AND Apache-2.0',
      confidence: 'confirmed',
    },
  },
  { regions },
);

// A second source of coordinates, so that a wrong one is noticed.
const second = [];
for (const [name, { lat, lon }] of Object.entries(JSON.parse(text('raw/azure_region_coordinates_azscout.json'))))
  second.push([`azure:${name}`, round(lat, 4), round(lon, 4), 'azscout']);
for (const [name, { latitude, longitude }] of Object.entries(JSON.parse(text('raw/gcp_regionpicker_regions.json'))))
  second.push([`gcp:${name}`, round(latitude, 4), round(longitude, 4), 'region-picker']);
const known = new Set(regions.map(({ id }) => id));

// Compute prices: 8 virtual processors with 32 GiB, Linux, on demand.
const prices = csv('prices_compute.csv');
const usd = (sku) =>
  prices
    .filter((row) => row.sku === sku)
    .map((row) => [`${row.provider}:${row.region}`, Number(row.usd_per_hour), row.as_of.replace(/ mock.*/, '')]);
write(
  'prices.json',
  {
    schema: 'prices/v1',
    fields: {
      asOf: '2026-07',
      source:
        'AWS: skypilot-catalog v8 (m6i) and ec2instances.info (x2iedn, MIT); Azure: karpenter-provider-azure (Apache-2.0); GCP: region-picker (Apache-2.0). List prices in US dollars an hour, Linux, on demand',
      licence: 'public list prices; Apache-2.0 AND MIT for the tables they were read from',
      confidence: 'confirmed',
    },
  },
  {
    skus: [
      { sku: 'aws:m6i.2xlarge', class: 'general', vcpu: 8, memoryGiB: 32 },
      { sku: 'aws:x2iedn.32xlarge', class: 'index', vcpu: 128, memoryGiB: 4096 },
      { sku: 'azure:Standard_D8s_v5', class: 'general', vcpu: 8, memoryGiB: 32 },
      { sku: 'azure:Standard_E8s_v5', class: 'memory', vcpu: 8, memoryGiB: 64 },
      { sku: 'gcp:e2-vcpu', class: 'core', vcpu: 1, memoryGiB: 0 },
    ],
    usdPerHour: [
      ...usd('m6i.2xlarge').map(([id, value, asOf]) => ['aws:m6i.2xlarge', id, value, asOf]),
      ...usd('x2iedn.32xlarge').map(([id, value, asOf]) => ['aws:x2iedn.32xlarge', id, value, asOf]),
      ...usd('Standard_D8s_v5').map(([id, value, asOf]) => ['azure:Standard_D8s_v5', id, value, asOf]),
      ...usd('Standard_E8s_v5').map(([id, value, asOf]) => ['azure:Standard_E8s_v5', id, value, asOf]),
      ...usd('e2-vcpu (per core)').map(([id, value, asOf]) => ['gcp:e2-vcpu', id, value, asOf]),
    ].filter(([, id]) => known.has(id)),
  },
);

// Transfer. AWS publishes a price for each pair; the others a rule by continent.
const transfer = csv('raw/aws_transfer_costs_skyplane.csv').filter(({ src, dst }) => !`${src}${dst}`.includes('gov'));
const bySource = new Map();
for (const { src, dst, cost } of transfer) {
  const row = bySource.get(src) ?? { region: `aws:${src}`, to: [] };
  bySource.set(src, row);
  if (dst === 'internet') row.internet = Number(cost);
  else row.to.push([`aws:${dst}`, Number(cost)]);
}
write(
  'transfer.json',
  {
    schema: 'transfer/v1',
    fields: {
      asOf: '2023-04',
      ageAccepted: 'nothing newer may be shipped; list prices of transfer change rarely',
      source:
        'AWS: skyplane (Apache-2.0), each region to the internet and to each region. Azure and GCP: the rules by continent of the same project, read again with its swap of asia-southeast1 and asia-southeast2 corrected. US dollars per GB',
      licence: 'public list prices; Apache-2.0 for the tables they were read from',
      confidence: 'confirmed',
    },
  },
  {
    aws: [...bySource.values()].map(({ region, internet, to }) => {
      const times = (cost) => to.filter((pair) => pair[1] === cost).length;
      const usual = to.map(([, cost]) => cost).toSorted((a, b) => times(b) - times(a))[0];
      return { region, internet, others: usual, except: to.filter(([, cost]) => cost !== usual) };
    }),
    // [provider, continent, to the internet, to its own continent, to another]: a value, or the least and the most.
    rules: [
      ['azure', 'North America', 0.0875, 0.02, 0.05],
      ['azure', 'Europe', 0.0875, 0.02, 0.05],
      ['azure', 'Asia', 0.12, 0.08, 0.08],
      ['azure', 'Oceania', 0.12, 0.08, 0.08],
      ['azure', 'Africa', 0.12, 0.08, 0.08],
      ['azure', 'South America', 0.181, [0.16, 0.181], [0.16, 0.181]],
      ['gcp', 'North America', 0.12, [0.01, 0.02], 0.08],
      ['gcp', 'Europe', 0.12, 0.02, 0.08],
      ['gcp', 'Asia', [0.12, 0.19], [0.05, 0.15], [0.08, 0.15]],
      ['gcp', 'Oceania', 0.19, [0.08, 0.15], 0.15],
      ['gcp', 'Africa', [0.12, 0.19], [0.08, 0.15], [0.08, 0.15]],
      ['gcp', 'South America', [0.12, 0.19], [0.08, 0.15], [0.08, 0.15]],
    ],
  },
);

// Countries: people, internet users, governance.
const wgi = new Map(csv('wgi_2022_mean_of_six_normalised.csv').map((row) => [row.iso2, Number(row.wgi_mean_0_1)]));
const english = new Intl.DisplayNames(['en'], { type: 'region' });
write(
  'countries.json',
  {
    schema: 'countries/v1',
    fields: {
      asOf: '2024',
      source:
        'population: World Bank via datasets/population (PDDL-1.0); share of people online: Gapminder systema_globalis (CC BY 4.0), free material from gapminder.org; wgi: World Bank Worldwide Governance Indicators 2022, mean of the six estimates, (x+2.5)/5, via pytradeshifts (Apache-2.0)',
      licence: 'PDDL-1.0 AND CC-BY-4.0',
      confidence: 'confirmed',
    },
  },
  {
    columns: ['iso2', 'name', 'area', 'population', 'internetUsers', 'shareYear', 'wgi'],
    countries: [
      ...csv('countries_internet_users.csv'),
      // The World Bank has no row for Taiwan. Population: its Ministry of the Interior; share: its Network Information Center; unconfirmed.
      { iso2: 'TW', subregion: 'Eastern Asia', population: 23_400_220, internet_users: 21_000_000, share_year: 2023 },
    ]
      .map((row) => [
        row.iso2,
        english.of(row.iso2),
        row.subregion,
        Number(row.population),
        Number(row.internet_users),
        Number(row.share_year),
        wgi.get(row.iso2) ?? null,
      ])
      .toSorted((a, b) => (a[0] < b[0] ? -1 : 1)),
  },
);

// Carbon. Azure's ids are enum names of their source: mapped where the name says which region, else by country.
const carbonRows = csv('carbon_intensity.csv');
const azureNames = {
  southafricanorth: 'afsouthafricanorth',
  southafricawest: 'afsouthafricawest',
  australiacentral: 'apaustraliacentral',
  australiacentral2: 'apaustraliacentral2',
  australiaeast: 'apaustraliaeast',
  australiasoutheast: 'apaustraliasoutheast',
  eastasia: 'apeast',
  southeastasia: 'apsoutheast',
  japaneast: 'apjapaneast',
  japanwest: 'apjapanwest',
  koreacentral: 'apkorea',
  koreasouth: 'apkoreasouth',
  centralindia: 'incentral',
  jioindiacentral: 'injiocentral',
  jioindiawest: 'injiowest',
  southindia: 'insouth',
  westindia: 'inwest',
  northeurope: 'eunorth',
  westeurope: 'euwest',
  francecentral: 'eufrancecentral',
  francesouth: 'eufrancesouth',
  swedencentral: 'euswedencentral',
  switzerlandnorth: 'euswitzerlandnorth',
  switzerlandwest: 'euswitzerlandwest',
  uksouth: 'uksouth',
  ukwest: 'ukwest',
  germanynorth: 'eugermanynorth',
  germanywestcentral: 'eugermanywestcentral',
  norwayeast: 'eunorwayeast',
  norwaywest: 'eunorwaywest',
  uaecentral: 'meuaecentral',
  uaenorth: 'meuaenorth',
  canadacentral: 'uscanadacentral',
  canadaeast: 'uscanadaeast',
  centralus: 'uscentral',
  eastus: 'useast',
  eastus2: 'useast2',
  northcentralus: 'usnorthcentral',
  southcentralus: 'ussouthcentral',
  westcentralus: 'uswestcentral',
  westus: 'uswest',
  westus2: 'uswest2',
  westus3: 'uswest3',
  brazilsouth: 'brazilsouth',
  brazilsoutheast: 'brazilsoutheast',
};
const carbonOf = new Map(carbonRows.map((row) => [`${row.provider}:${row.region}`, row]));
write(
  'carbon.json',
  {
    schema: 'carbon/v1',
    fields: {
      asOf: '2024',
      source:
        'GCP: region-carbon-info 2024 (Apache-2.0), grams of CO2 equivalent per kWh of the grid and share of carbon-free energy. AWS and Azure: cloud-carbon-footprint, last commit 2024-03 (Apache-2.0), mostly country averages',
      licence: 'Apache-2.0',
      confidence: 'confirmed',
    },
  },
  {
    columns: ['region', 'gramsPerKwh', 'carbonFreeShare', 'asOf'],
    regions: regions.flatMap(({ id }) => {
      const name = id.slice(id.indexOf(':') + 1);
      const row = carbonOf.get(id.startsWith('azure:') ? `azure:${azureNames[name] ?? name}` : id);
      if (row === undefined) return [];
      return [
        [
          id,
          Number(row.gco2e_per_kwh),
          row.cfe_share === '' ? null : Number(row.cfe_share),
          row.as_of.replace('CCF ', ''),
        ],
      ];
    }),
  },
);

write(
  'coordinates-second.json',
  {
    schema: 'coordinates/v1',
    fields: {
      asOf: '2026-08',
      source:
        'Azure: az-scout region coordinates (MIT). GCP: region-picker (Apache-2.0), as published. AWS: GeoNames cities (CC BY 4.0)',
      licence: 'MIT AND Apache-2.0 AND CC-BY-4.0',
      confidence: 'confirmed',
    },
  },
  { coordinates: second.filter(([id]) => known.has(id)) },
);
