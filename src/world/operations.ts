import { FarshoreError } from '../base/errors.ts';
import type { OperationAnswer, OperationsView } from '../ports/operations.ts';
import type { OperationRecord } from '../ports/records.ts';
import { type Answer, httpGet, httpPost } from './http-get.ts';
import { type NodeLayout, nodesOf } from './layout.ts';
import { placeOf } from '../base/ids.ts';
import type { World } from './open.ts';

const LOOK_TIMEOUT_MS = 1_500;
const ASK_TIMEOUT_MS = 10_000;

/** The journal as the agent that reaches the store best tells it, and what may be asked of that agent. */
export interface OperationsDesk {
  readonly view: OperationsView;
  post(path: string, body: object): Promise<OperationAnswer>;
}

/**
 * Any agent that reaches the store will do: nothing that an operation needs lives only in a region that is lost (design.md §2).
 * Those of `prefer` come first. Throws FSH_STORE_UNREACHABLE when no agent reaches it.
 */
export async function openDesk(world: World, prefer: string | null = null): Promise<OperationsDesk> {
  const { agentToken } = world.secrets;
  const agents = nodesOf(world.layout);
  const asked = await Promise.all(agents.map(async (node) => ({ node, view: await viewOf(node, agentToken) })));
  const current = asked.filter((it) => it.view?.store === 'current');
  const preferred = current.find((it) => placeOf(it.node.id) === prefer || it.node.id === prefer);
  const best = preferred ?? current.find((it) => it.node.dataDir !== null) ?? current[0];
  if (best?.view == null) throw unreachable(asked);
  const { node, view } = best;
  return {
    view,
    post: async (path, body) =>
      answerOf(node, await httpPost(node.ports.api ?? 0, path, ASK_TIMEOUT_MS, agentToken, body)),
  };
}

/** The journal's entry; null while no agent that reaches the store answers: what was asked stands in it. */
export async function readOperation(world: World, id: string): Promise<OperationRecord | null> {
  try {
    const { view } = await openDesk(world);
    return view.operations.find((operation) => operation.id === id) ?? null;
  } catch {
    return null;
  }
}

async function viewOf(node: NodeLayout, token: string): Promise<OperationsView | null> {
  const answer = await httpGet(node.ports.api ?? 0, '/operations', LOOK_TIMEOUT_MS, token);
  return answer.status === 200 ? (JSON.parse(answer.body) as OperationsView) : null;
}

function unreachable(asked: readonly { readonly view: OperationsView | null }[]): FarshoreError {
  const answered = asked.filter((it) => it.view !== null).length;
  if (answered === 0)
    return new FarshoreError(
      'FSH_NOT_RUNNING',
      'no agent of this world answers; nothing was asked and nothing changed',
    );
  return new FarshoreError(
    'FSH_STORE_UNREACHABLE',
    `${answered} agents answer and none reaches the store: no operation can be begun or read; nothing was changed`,
  );
}

function answerOf(node: NodeLayout, answer: Answer): OperationAnswer {
  if (answer.status === 200) return JSON.parse(answer.body) as OperationAnswer;
  if (answer.status === 400)
    throw new FarshoreError('FSH_USAGE', (JSON.parse(answer.body) as { message: string }).message);
  return { kind: 'unknown', why: `the agent of ${node.id} answered ${answer.status || 'nothing'}: ${answer.body}` };
}
