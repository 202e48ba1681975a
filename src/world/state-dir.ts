import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { asFarshoreError } from '../database/postgres/files.ts';
import type { Secrets } from '../ports/config.ts';
import type { WorldLayout } from './layout.ts';

/** Names the world on this machine: run directory, locks, the mark of its processes. The same for every path that leads there. */
export const worldId = (stateDir: string): string => createHash('sha256').update(stateDir).digest('hex').slice(0, 10);

/** Where Unix sockets of a world live. /tmp, not TMPDIR: the whole path must stay short. */
export const runDirOf = (id: string): string => `/tmp/farshore-${process.getuid?.() ?? 0}-${id}`;

/**
 * The saved plan of a world; null when there is none. Throws FSH_STATE_FOREIGN for a `world.json` that this program
 * did not write, FSH_NO_PERMISSION when it may not be read.
 */
export function readLayout(stateDir: string): WorldLayout | null {
  const path = join(stateDir, 'world.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw asFarshoreError(error);
  }
  try {
    const layout = JSON.parse(text) as WorldLayout;
    if (layout.schema === 'farshore.world/v2') return layout;
  } catch {
    // Said below.
  }
  throw new FarshoreError('FSH_STATE_FOREIGN', `${path} was not written by this version of Farshore`);
}

/**
 * Makes the state directory, or takes the one that is there. Throws FSH_STATE_FOREIGN when it holds something else or a world of
 * another deployment, or when `check` of the saved plan throws: then nothing was changed.
 */
export function takeStateDir(
  wanted: string,
  deployment: string,
  check: (saved: WorldLayout) => void = () => undefined,
): { readonly stateDir: string; readonly saved: WorldLayout | null } {
  if (existsSync(wanted)) {
    if (!statSync(wanted).isDirectory()) throw new FarshoreError('FSH_STATE_FOREIGN', `${wanted} is not a folder`);
    const saved = readLayout(wanted);
    if (saved === null && readdirOrThrow(wanted).some((name) => !isOurs(name)))
      throw new FarshoreError('FSH_STATE_FOREIGN', `${wanted} holds files but no world of Farshore`);
    if (saved !== null && saved.deployment !== deployment) {
      const what = `${wanted} holds the world of deployment "${saved.deployment}", not of "${deployment}"`;
      throw new FarshoreError('FSH_STATE_FOREIGN', what);
    }
    if (saved !== null) check(saved);
  }
  try {
    makeFolder(wanted);
    const stateDir = realpathSync(wanted);
    for (const name of ['logs', 'config', 'store', 'etcd'])
      mkdirSync(join(stateDir, name), { recursive: true, mode: 0o700 });
    const probe = join(stateDir, 'config', '.probe');
    writeFileSync(probe, '', { mode: 0o600 });
    return { stateDir, saved: readLayout(stateDir) };
  } catch (error) {
    throw asFarshoreError(error);
  }
}

/** Each missing part by itself: `recursive` says ENOENT where a file system is read-only, and never returns below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** What an interrupted first start may have left. */
const isOurs = (name: string): boolean =>
  ['logs', 'config', 'store', 'etcd', 'nodes', 'secrets.json', 'world.json.new'].includes(name);

function readdirOrThrow(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    throw asFarshoreError(error);
  }
}

/**
 * Makes the run directory, or takes the one that is there when it is surely ours: in /tmp anybody could have put one.
 * `entered` lets the unprivileged user of PostgreSQL pass through to its own folder below.
 */
export function takeRunDir(runDir: string, entered: boolean): void {
  try {
    mkdirSync(runDir, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw asFarshoreError(error);
  }
  const stat = lstatSync(runDir);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.())
    throw new FarshoreError('FSH_NO_PERMISSION', `${runDir} exists and does not belong to this user`);
  chmodSync(runDir, entered ? 0o711 : 0o700);
}

/** The passwords and tokens of this world, made at the first start. */
export function takeSecrets(layout: Pick<WorldLayout, 'secretsPath'>): Secrets {
  const saved = readSecrets(layout.secretsPath);
  const secrets: Secrets = saved ?? {
    adminPassword: newSecret(),
    replicationPassword: newSecret(),
    appPassword: newSecret(),
    agentToken: newSecret(),
    gatewayToken: newSecret(),
    storeToken: newSecret(),
  };
  if (saved === null) writeWhole(layout.secretsPath, JSON.stringify(secrets, null, 1));
  return secrets;
}

export function readSecrets(path: string): Secrets | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Secrets;
  } catch (error) {
    if (isMissing(error)) return null;
    throw new FarshoreError('FSH_NO_PERMISSION', `${path}: ${messageOf(error)}`, error);
  }
}

/** 24 random bytes; letters, digits, - and _ only, so that it fits into a URL. */
const newSecret = (): string => randomBytes(24).toString('base64url');

/** The whole file or nothing, mode 0600. */
export function writeWhole(path: string, text: string): void {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw asFarshoreError(error);
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
