import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { GeoRows } from '../../decide/routing/geo-table.ts';
import { csvRows } from './csv.ts';
import { mmdbRows } from './mmdb.ts';

/** Countries by address, from what the registries publish; CC0. */
const SHIPPED = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

/**
 * Reads a database of places: MMDB, or CSV. Null: the one that comes with Farshore (about 0.3 s of CPU).
 * @throws FarshoreError FSH_FAILED for a file that cannot be read or is neither
 */
export async function readGeoRows(path: string | null): Promise<GeoRows> {
  const file = path ?? createRequire(import.meta.url).resolve(SHIPPED);
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new FarshoreError('FSH_FAILED', `the database of places ${file} cannot be read: ${messageOf(error)}`, error);
  }
  if (file.endsWith('.csv')) {
    const rows = csvRows(bytes.toString('utf8'));
    if (!rows.ok) throw new FarshoreError('FSH_FAILED', `${file}:${rows.error.line}: ${rows.error.text}`);
    return rows.value;
  }
  try {
    return mmdbRows(bytes);
  } catch (error) {
    throw new FarshoreError('FSH_FAILED', `${file} is no MMDB database of places: ${messageOf(error)}`, error);
  }
}
