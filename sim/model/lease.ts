import type { Emit, Model } from './explore.ts';

/**
 * The protocol for one group in async mode: P2 (lease, deadline D), P3.1 (`killed`, `lease-expired`), P6 (the store is gone).
 * A is the primary, with its keeper and gateway; the others may be promoted. Time moves in ticks of one clock rate. A
 * countdown that reaches 0 has passed. Not modelled: sync lists, rejoin, a second failover.
 */
export interface LeaseScope {
  readonly nodes: number;
  readonly ttl: number;
  readonly time: number;
  readonly faults: number;
  readonly takeovers: number;
  readonly writes: number;
  /** Attestations survive a restart of the agent (P6). */
  readonly persistPromise: boolean;
  /** The node that is promoted keeps its own promise, whoever drives (P6). */
  readonly targetKeepsPromise: boolean;
  /**
   * A takeover begins only when A can't be seen to commit (P3.4), and is judged (I8). Without it a takeover may begin at any
   * moment that its fence allows: harder for I3, but then it may end a healthy primary.
   */
  readonly suspects: boolean;
  readonly mistake: LeaseMistake | null;
}

export type LeaseMistake =
  | 'deadline-from-reply'
  | 'killed-postmaster-only'
  | 'return-means-suspicion'
  | 'store-loss-kills';

const NAMES = ['A', 'B', 'C', 'the controller'];
const nameOf = (node: number): string => NAMES[node] ?? '?';
/** An agent on a site: it may drive a takeover, and attests nothing. */
const CONTROLLER = 3;

const DEAD = 0;
const UP = 1;
/** The postmaster is gone, a busy backend is not. */
const BACKENDS_LEFT = 2;

const STEP = { idle: 0, fencedWeak: 1, fencedKilled: 2, done: 3 } as const;

export interface LeaseState {
  time: number;
  faults: number;
  takeovers: number;
  epoch: number;
  lease: number;
  storeUp: number;
  /** The store was lost and is back. */
  wasAway: number;
  postgres: number;
  frozen: number;
  /** Ticks left until D. */
  deadline: number;
  /** Ticks left for A since the keepalive was sent, + 1; 0 = none in flight. */
  renewal: number;
  answered: number;
  /** P6: ticks left for A since it asked, + 1; and who attested, as a bit mask. */
  asked: number;
  attested: number;
  driver: number;
  target: number;
  step: number;
  promoted: number;
  unsent: number;
  waiting: number;
  /** Ticks for which each standby promised not to take over; standby m is entry m - 1. */
  promises: number[];
}

const FIELDS = [
  ...([
    'time',
    'faults',
    'takeovers',
    'epoch',
    'lease',
    'storeUp',
    'wasAway',
    'postgres',
    'frozen',
    'deadline',
  ] as const),
  ...([
    'renewal',
    'answered',
    'asked',
    'attested',
    'driver',
    'target',
    'step',
    'promoted',
    'unsent',
    'waiting',
  ] as const),
];

export function leaseModel(scope: LeaseScope): Model<LeaseState> {
  return {
    initial: () => initial(scope),
    pack: (s) => String.fromCharCode(...FIELDS.map((field) => s[field]), ...s.promises),
    unpack: (key) => unpack(scope, key),
    successors: (now, emit) => successors(scope, now, emit),
  };
}

function initial({ time, faults, takeovers, ttl, writes, nodes }: LeaseScope): LeaseState {
  return {
    time,
    faults,
    takeovers,
    epoch: 1,
    lease: ttl,
    storeUp: 1,
    wasAway: 0,
    postgres: UP,
    frozen: 0,
    deadline: ttl,
    renewal: 0,
    answered: 0,
    asked: 0,
    attested: 0,
    driver: 0,
    target: 0,
    step: STEP.idle,
    promoted: 0,
    unsent: writes,
    waiting: 0,
    promises: Array.from({ length: nodes - 1 }, () => 0),
  };
}

function unpack(scope: LeaseScope, key: string): LeaseState {
  const s = initial(scope);
  FIELDS.forEach((field, i) => {
    s[field] = key.charCodeAt(i);
  });
  s.promises = s.promises.map((_, i) => key.charCodeAt(FIELDS.length + i));
  return s;
}

/** Reports one event; `apply` changes a copy and returns the sentence of the invariant that it breaks, or nothing. */
type Report = (label: string, apply: (s: LeaseState) => string | void) => void;

interface Look {
  readonly scope: LeaseScope;
  readonly now: LeaseState;
  readonly report: Report;
  readonly standbys: readonly number[];
}

function successors(scope: LeaseScope, now: LeaseState, emit: Emit<LeaseState>): void {
  const report: Report = (label, apply) => {
    const next = { ...now, promises: [...now.promises] };
    emit(label, next, apply(next) ?? null);
  };
  const standbys = now.promises.map((_, i) => i + 1);
  const look: Look = { scope, now, report, standbys };
  timeAndKeeper(look);
  clients(look);
  renewals(look);
  attestations(look);
  faults(look);
  repairs(look);
  takeovers(look);
}

const aActs = (s: LeaseState): boolean => s.postgres === UP && s.frozen === 0;

/** The keeper kills at D before more time passes, unless the whole node is frozen. */
function timeAndKeeper({ scope, now, report }: Look): void {
  const kill = (s: LeaseState): string | void => {
    Object.assign(s, { postgres: DEAD, waiting: 0 });
    if (scope.suspects && s.deadline > 0) return 'I8: a healthy primary was killed before its deadline';
  };
  const isDue = now.postgres !== DEAD && now.frozen === 0 && now.deadline === 0;
  if (isDue) report("A's keeper kills every process at D", kill);
  if (scope.mistake === 'store-loss-kills' && aActs(now) && now.storeUp === 0)
    report("A's agent can't reach the store and has A killed", kill);
  if (now.time === 0 || isDue) return;
  report('one tick passes', (s) => {
    s.time -= 1;
    s.lease = Math.max(0, s.lease - 1);
    s.deadline = Math.max(0, s.deadline - 1);
    s.renewal = s.renewal > 1 ? s.renewal - 1 : s.renewal;
    s.asked = s.asked > 1 ? s.asked - 1 : s.asked;
    s.promises = s.promises.map((left) => Math.max(0, left - 1));
  });
}

/** The gateway asks D before every answer that it writes (P7.1). */
function clients({ now, report }: Look): void {
  if (aActs(now) && now.unsent > 0)
    report('a client sends a write to A', (s) => {
      s.unsent -= 1;
      s.waiting += 1;
    });
  if (now.postgres === DEAD || now.frozen > 0 || now.waiting === 0 || now.deadline === 0) return;
  report('A acknowledges a write', (s) => {
    s.waiting -= 1;
    if (s.step === STEP.fencedKilled) return 'I3: A acknowledged after the fence evidence "killed"';
    if (s.promoted > 0)
      return `I3: A (epoch 1) acknowledged after ${nameOf(s.promoted)} was promoted under epoch ${s.epoch}`;
  });
}

/** P2.1: keepalive, then the comparison of the epoch. D counts from the sending. */
function renewals({ scope, now, report }: Look): void {
  if (aActs(now) && now.renewal === 0 && now.deadline > 0)
    report('A sends a keepalive', (s) => {
      s.renewal = scope.ttl + 1;
      s.answered = 0;
    });
  if (now.renewal === 0) return;
  if (now.answered === 0 && now.storeUp > 0 && now.lease > 0)
    report('the store answers the keepalive: the lease gets a full TTL', (s) => {
      s.answered = 1;
      s.lease = scope.ttl;
    });
  if (now.answered > 0 && aActs(now))
    report('the answer and the epoch comparison reach A: D moves', (s) => {
      const untilD = scope.mistake === 'deadline-from-reply' ? scope.ttl : s.renewal - 1;
      if (s.epoch === 1 && s.storeUp > 0) s.deadline = Math.max(s.deadline, untilD);
      Object.assign(s, { renewal: 0, answered: 0 });
    });
  if (now.answered === 0 && aActs(now)) report("A's keepalive times out", (s) => void (s.renewal = 0));
}

/** P6: D moves when every standby has attested, and not otherwise. */
function attestations({ scope, now, report, standbys }: Look): void {
  if (aActs(now) && now.asked === 0 && now.deadline > 0)
    report('A asks every standby to attest', (s) => void Object.assign(s, { asked: scope.ttl + 1, attested: 0 }));
  if (now.asked === 0) return;
  for (const m of standbys) {
    const takesOver = now.step !== STEP.idle && now.driver === m;
    if ((now.attested & (1 << m)) !== 0 || takesOver || now.promoted === m) continue;
    report(`${nameOf(m)} attests: epoch 1, no takeover before its clock + TTL`, (s) => {
      s.attested |= 1 << m;
      s.promises[m - 1] = scope.ttl;
    });
  }
  if (!aActs(now)) return;
  if (standbys.every((m) => (now.attested & (1 << m)) !== 0))
    report('all attestations reach A: D moves', (s) => {
      s.deadline = Math.max(s.deadline, s.asked - 1);
      Object.assign(s, { asked: 0, attested: 0 });
    });
  report("A's question times out", (s) => void Object.assign(s, { asked: 0, attested: 0 }));
}

function faults({ scope, now, report, standbys }: Look): void {
  if (now.faults === 0) return;
  const fault = (label: string, apply: (s: LeaseState) => void): void =>
    report(label, (s) => {
      s.faults -= 1;
      apply(s);
    });
  if (aActs(now)) {
    fault('the whole node A freezes', (s) => void (s.frozen = 1));
    fault("A's postmaster dies; a busy backend runs on", (s) => void (s.postgres = BACKENDS_LEFT));
  }
  if (now.storeUp > 0) fault('the store is gone', (s) => void (s.storeUp = 0));
  for (const m of standbys)
    fault(`${nameOf(m)}'s agent crashes and starts again`, (s) => {
      if (!scope.persistPromise) s.promises[m - 1] = 0;
      if (s.driver === m && s.step !== STEP.done) Object.assign(s, { step: STEP.idle, driver: 0 });
    });
}

function repairs({ scope, now, report }: Look): void {
  if (now.frozen > 0) report('A thaws', (s) => void (s.frozen = 0));
  if (now.storeUp === 0)
    report('the store is back; every lease that it knows gets a full TTL (P2.4)', (s) => {
      Object.assign(s, { storeUp: 1, wasAway: 1 });
      if (s.lease > 0) s.lease = scope.ttl;
    });
  if (now.postgres === BACKENDS_LEFT && now.frozen === 0)
    report("A's last backend is killed", (s) => void Object.assign(s, { postgres: DEAD, waiting: 0 }));
}

/** P5 for async: epoch, fence (killed, or the lease ran out in the store), promotion. */
function takeovers({ scope, now, report, standbys }: Look): void {
  if (now.storeUp === 0) return;
  const isFree = (m: number): boolean => m === CONTROLLER || now.promises[m - 1] === 0;
  if (now.step === STEP.idle && now.takeovers > 0 && now.promoted === 0 && isSuspected(scope, now)) {
    const isKilled = scope.mistake === 'killed-postmaster-only' ? now.postgres !== UP : now.postgres === DEAD;
    for (const m of [...standbys, CONTROLLER]) {
      if (isKilled) report(begins(now, m, 'killed'), (s) => begin(scope, s, m, STEP.fencedKilled));
      if (now.lease === 0 && isFree(m))
        report(begins(now, m, 'lease-expired'), (s) => begin(scope, s, m, STEP.fencedWeak));
    }
  }
  if (now.step !== STEP.fencedWeak && now.step !== STEP.fencedKilled) return;
  for (const target of standbys) {
    if (now.step === STEP.fencedWeak && scope.targetKeepsPromise && !isFree(target)) continue;
    report(
      `${nameOf(target)} is promoted under epoch ${now.epoch} (order of ${nameOf(now.driver)})`,
      (s) => void Object.assign(s, { step: STEP.done, promoted: target }),
    );
  }
}

/** P3.4: nobody sees A commit. A store that comes back is no reason for suspicion. */
const isSuspected = (scope: LeaseScope, s: LeaseState): boolean =>
  !scope.suspects || !isHealthy(s) || (scope.mistake === 'return-means-suspicion' && s.wasAway > 0);

const isHealthy = (s: LeaseState): boolean => aActs(s) && s.deadline > 0;

const begins = (now: LeaseState, driver: number, fence: string): string =>
  `${nameOf(driver)} starts a takeover: fence "${fence}", epoch ${now.epoch + 1}`;

function begin(scope: LeaseScope, s: LeaseState, driver: number, step: number): string | void {
  const wasHealthy = isHealthy(s);
  Object.assign(s, { step, driver, epoch: s.epoch + 1, takeovers: s.takeovers - 1 });
  if (scope.suspects && wasHealthy) return 'I8: a takeover began against a primary that commits within its deadline';
}
