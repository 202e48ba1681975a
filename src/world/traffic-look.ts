import { STATUS_PATH, type EdgeStatus } from '../planes/edge/status.ts';
import type { TrafficLook } from '../ports/status.ts';
import { httpGet } from './http-get.ts';
import type { WorldLayout } from './layout.ts';

const TIMEOUT_MS = 1_000;

/** Asks the first edge that answers how users are led now. Null: none answers. Never rejects. */
export async function askTraffic({ places }: WorldLayout): Promise<TrafficLook | null> {
  const ports = places.flatMap(({ ports: { edge } }) => edge ?? []);
  const answers = await Promise.all(ports.map((port) => httpGet(port, STATUS_PATH, TIMEOUT_MS)));
  const body = answers.find(({ status }) => status === 200)?.body;
  return body === undefined ? null : lookOf(JSON.parse(body) as EdgeStatus);
}

const lookOf = ({ place, whenAllUnhealthy, observers, regions }: EdgeStatus): TrafficLook => ({
  asked: place,
  whenAllUnhealthy:
    whenAllUnhealthy.kind === 'static' ? `static: ${whenAllUnhealthy.regions.join(', ')}` : whenAllUnhealthy.kind,
  unhealthy: regions.flatMap(({ id, health, why }) => (health === 'unhealthy' ? [{ region: id, why: why.text }] : [])),
  readOnly: regions.flatMap(({ id, readOnly }) => (readOnly === null ? [] : [{ region: id, why: readOnly.text }])),
  observers: observers.all.map(({ observer, state }) => ({ observer, state })),
  heldForMs: observers.heldForMs,
});
