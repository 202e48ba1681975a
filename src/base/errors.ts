/**
 * Every error a person can meet. `exit` follows the table in docs/reference/exit-codes.md.
 * `fix` is what to do; the message says what happened and what it means for the data.
 */
export const CODES = {
  FSH_USAGE: { exit: 64, fix: 'see `farshore --help`' },
  FSH_SPEC_INVALID: { exit: 3, fix: 'correct the lines shown; `farshore validate FILE` checks again' },
  FSH_FACTS_INVALID: { exit: 1, fix: 'correct the lines shown; nothing was taken over' },
  FSH_PORT_IN_USE: { exit: 1, fix: 'choose other ports with --base-port N, or stop the process shown' },
  FSH_TLS_INVALID: {
    exit: 1,
    fix: 'put the right certificate and key (PEM) where the file says; at a reload the ones before are still served',
  },
  FSH_STATE_FOREIGN: { exit: 4, fix: 'choose another folder with --state DIR; nothing in this one was changed' },
  FSH_STATE_BUSY: { exit: 4, fix: 'this world is already running: `farshore status`, or `farshore down` first' },
  FSH_NOT_RUNNING: { exit: 1, fix: 'start it with `farshore up FILE`' },
  FSH_NO_PERMISSION: { exit: 1, fix: 'make the path writable for this user, or choose another with --state DIR' },
  FSH_DISK_FULL: { exit: 1, fix: 'free space on the file system shown; nothing was deleted' },
  FSH_POSTGRES_MISSING: {
    exit: 1,
    fix: 'run `npm ci`, or give the folder of a system PostgreSQL with --postgres-bin DIR',
  },
  FSH_ETCD_MISSING: {
    exit: 1,
    fix: 'install it (Debian: apt-get install etcd-server), give it with --etcd-bin PATH, or keep `store: true` on one site',
  },
  FSH_HAPROXY_MISSING: {
    exit: 1,
    fix: 'install it (Debian: apt-get install haproxy), give it with --haproxy=PATH, or leave --haproxy out',
  },
  FSH_STRACE_MISSING: { exit: 1, fix: 'install it (Debian: apt-get install strace); every other fault works without' },
  FSH_INITDB_FAILED: { exit: 1, fix: 'read the log shown; the half-made folder was kept beside it' },
  FSH_DATA_CORRUPT: { exit: 1, fix: 'keep the folder; move it aside and the node is cloned again from the primary' },
  FSH_DATA_FOREIGN: {
    exit: 4,
    fix: 'this data belongs to another cluster; move it aside or choose another --state DIR',
  },
  FSH_STORE_BEHIND: {
    exit: 4,
    fix: 'restore the store from its own disk, or `farshore up FILE --detach --for-recovery`, then `farshore recover store`; the data was not touched',
  },
  FSH_STORE_UNREACHABLE: { exit: 8, fix: 'check the store and its links; a healthy primary goes on serving' },
  FSH_TIMEOUT: { exit: 5, fix: '`farshore status` shows how far it came; it goes on' },
  FSH_OUTCOME_UNKNOWN: { exit: 8, fix: 'read the state back with `farshore status` before trying again' },
  FSH_REFUSED: {
    exit: 4,
    fix: 'nothing was changed; the sentence above says what stands in the way, `farshore why` what the agents see',
  },
  FSH_UNDO_INCOMPLETE: { exit: 10, fix: '`farshore fault status` lists it; `farshore fault undo` tries again' },
  FSH_FAILED: { exit: 1, fix: 'read the log shown' },
} as const;

export type Code = keyof typeof CODES;

/** An error for a person. The message says what happened and what it means for the data; the code says what to do. */
export class FarshoreError extends Error {
  readonly code: Code;
  constructor(code: Code, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FarshoreError';
    this.code = code;
  }
  get exit(): number {
    return CODES[this.code].exit;
  }
  get fix(): string {
    return CODES[this.code].fix;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
