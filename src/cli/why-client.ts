import { parseAddress } from '../base/address.ts';
import { FarshoreError } from '../base/errors.ts';
import { parseToldRoundTrips } from '../decide/routing/told-round-trips.ts';
import type { Facts } from '../facts/facts.ts';
import { type EdgeWhy, WHY_PATH } from '../planes/edge/why.ts';
import { nearest } from '../spec/nearest.ts';
import { httpGet } from '../world/http-get.ts';
import type { PlaceLayout } from '../world/layout.ts';
import type { World } from '../world/open.ts';
import { paint } from './paint.ts';
import { readFacts } from './read-facts.ts';
import { regionNamed } from './region-named.ts';

export interface ClientQuestion {
  /** An address; null: nobody's. */
  readonly client: string | null;
  readonly host: string | null;
  /** A city, a country, or a name of the operator's own, instead of what the database says about the address. */
  readonly from: string | null;
  /** Whose edge is asked; null: the first that answers. */
  readonly at: string | null;
  /** Round trips that the client measured: `aws:eu-west-1=12,…`; null: it told none. */
  readonly rtts: string | null;
  readonly write: boolean;
}

const EDGE_TIMEOUT_MS = 2_000;

/** Where a client goes and why, as an edge of the world decides it now. Resolves to lines for a person, or the edge's own JSON. */
export async function whyClient(world: World, question: ClientQuestion, json: boolean): Promise<readonly string[]> {
  const { client, host, from, rtts, write } = question;
  if (client !== null && parseAddress(client) === null)
    throw new FarshoreError('FSH_USAGE', `--client "${client}" is no IP address`);
  if (rtts !== null && parseToldRoundTrips(rtts) === null)
    throw new FarshoreError(
      'FSH_USAGE',
      `--rtts "${rtts}" is no list of regions and milliseconds: aws:eu-west-1=12,aws:us-east-1=95`,
    );
  const query = new URLSearchParams({ method: write ? 'write' : 'read' });
  if (client !== null) query.set('client', client);
  if (rtts !== null) query.set('rtts', rtts);
  const facts = readFacts();
  const place = from === null ? null : placeNamed(facts, from);
  if (place !== null) query.set('place', place);
  const answer = await ask(world, question.at, query);
  if (from !== null && place === from && !/^[A-Z]{2}$/.test(place) && !answer.places.includes(place))
    throw unknownPlace(facts, from);
  if (host !== null && answer.hosts.length > 0 && !answer.hosts.includes(host.toLowerCase())) {
    const meant = nearest(host, answer.hosts);
    const hint = meant === null ? `it has ${answer.hosts.join(', ')}` : `did you mean "${meant}"?`;
    throw new FarshoreError('FSH_USAGE', `this deployment does not serve "${host}"; ${hint}`);
  }
  return json ? [JSON.stringify(answer, null, 2)] : told(answer, question);
}

async function ask(world: World, at: string | null, query: URLSearchParams): Promise<EdgeWhy> {
  const edges = world.layout.places.filter((place) => place.ports.edge !== undefined);
  const wanted = at === null ? null : regionNamed(world.layout.places, at);
  const asked = edges.filter((place) => wanted === null || place.id === wanted);
  const silent: string[] = [];
  for (const place of asked) {
    const answer = await askOne(place, query);
    if (typeof answer !== 'string') return answer;
    silent.push(`${place.id}: ${answer}`);
  }
  const text = silent.length === 0 ? 'this world has no edge there' : `no edge answers: ${silent.join('; ')}`;
  throw new FarshoreError('FSH_NOT_RUNNING', text);
}

async function askOne(place: PlaceLayout, query: URLSearchParams): Promise<EdgeWhy | string> {
  const { status, body } = await httpGet(place.ports.edge ?? 0, `${WHY_PATH}?${query.toString()}`, EDGE_TIMEOUT_MS);
  return status === 200 ? (JSON.parse(body) as EdgeWhy) : `${status} ${body}`;
}

/** A country or the operator's name as it is; a city of the facts as its country. */
function placeNamed(facts: Facts, from: string): string {
  if (/^[A-Za-z]{2}$/.test(from)) return from.toUpperCase();
  const same = (place: string) => place.toLowerCase() === from.toLowerCase();
  const city = [...facts.clusters, ...facts.regions.values()].find(({ place }) => same(place));
  if (city !== undefined) return city.country;
  return from;
}

/** A word that is neither a city nor a name of the deployment's own would silently be nowhere. */
function unknownPlace(facts: Facts, from: string): FarshoreError {
  const cities = [...new Set([...facts.clusters, ...facts.regions.values()].map(({ place }) => place))];
  const meant = nearest(from, cities);
  const hint =
    meant === null ? 'name a city, a country (DE) or a place of the deployment file' : `did you mean "${meant}"?`;
  return new FarshoreError('FSH_USAGE', `no place "${from}" is known; ${hint}`);
}

function told({ place, generation, client, decision }: EdgeWhy, question: ClientQuestion): readonly string[] {
  const { bold, dim } = paint(process.stdout);
  const where =
    client.place.place === null
      ? 'no known place'
      : `${client.place.place}${client.place.country === null || client.place.country === client.place.place ? '' : ` in ${client.place.country}`}`;
  const source = {
    database: 'by the database',
    override: 'by the networks of the file',
    asked: 'as asked',
    unmapped: '',
  };
  const who = question.client ?? 'a client';
  const known = client.place.source === 'unmapped' ? '' : ` ${dim(`(${source[client.place.source]})`)}`;
  const lines = [
    `${bold(who)} in ${where}${known}, ${client.method}, at the edge of ${place}, route table ${generation ?? 'none'}`,
  ];
  for (const { step, why, left } of decision.steps) {
    lines.push(`${bold(step.padEnd(12))} ${left.join(', ') || 'nobody'}`);
    for (const { code, text } of why) lines.push(`${' '.repeat(13)}${text} ${dim(`[${code}]`)}`);
  }
  const [first] = decision.candidates;
  const end =
    first === undefined
      ? `refused: ${decision.why[0]?.text ?? decision.refusal ?? 'no reason is known'}`
      : `goes to ${first}`;
  return [...lines, bold(end)];
}
