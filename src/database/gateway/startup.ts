/** What a client may ask for when it connects (P7.3, P7.4). Pure. */

/** A refusal that the client sees as FATAL. */
export interface Refusal {
  readonly sqlState: string;
  readonly message: string;
  readonly hint?: string;
}

/** Values that keep the promise: the commit waits for the standbys, and the warning of a cancelled wait is sent. */
const ALLOWED: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['synchronous_commit', new Set(['on', 'true', 'yes', '1', 'remote_apply'])],
  [
    'client_min_messages',
    new Set(['debug5', 'debug4', 'debug3', 'debug2', 'debug1', 'debug', 'log', 'info', 'notice', 'warning']),
  ],
]);

/** Null when the StartupMessage's parameters are acceptable. */
export function refusalOf(parameters: ReadonlyMap<string, string>): Refusal | null {
  const replication = parameters.get('replication')?.toLowerCase();
  if (replication !== undefined && !['false', 'off', 'no', '0'].includes(replication)) {
    return {
      sqlState: '28000',
      message: 'farshore: replication connections are not led through the gateway',
      hint: 'connect to the replication listener of the node itself',
    };
  }
  for (const [name, value] of parameters) {
    const refusal = name === 'options' ? refusalInOptions(value) : refusalOfSetting(name, value);
    if (refusal !== null) return refusal;
  }
  return null;
}

function refusalOfSetting(name: string, value: string): Refusal | null {
  const setting = name.toLowerCase().replaceAll('-', '_');
  const allowed = ALLOWED.get(setting);
  if (allowed === undefined || allowed.has(value.toLowerCase())) return null;
  return {
    sqlState: '28000',
    message: `farshore: the connection option ${setting}=${value} is refused: it would hide or weaken the guarantee that acknowledged writes survive`,
    hint: `leave ${setting} out of the connection options, PGOPTIONS and the connection string`,
  };
}

/** `options` is a command line: `-c name=value`, `-cname=value`, `--name=value`, with backslashes before spaces. */
function refusalInOptions(options: string): Refusal | null {
  const plain = options.replaceAll('\\', '');
  for (const match of plain.matchAll(/(synchronous[-_]commit|client[-_]min[-_]messages)\s*=?\s*(\S*)/gi)) {
    const refusal = refusalOfSetting(match[1] ?? '', match[2] ?? '');
    if (refusal !== null) return refusal;
  }
  return null;
}
