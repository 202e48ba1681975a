import { connect } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { PulseHandlers } from '../ports/agent.ts';
import type { GatewayPreface, GatewayPrefaceAnswer } from '../ports/gateway.ts';

const ASK_AGAIN_MS = 100;
/** A gateway behind a cut link does not answer: silence is judged elsewhere, and longer. */
const ANSWER_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 4_096;

/** What is asked while it is broken. */
interface Breakable {
  readonly broken: boolean;
  onBreak: () => void;
}

type Door = { readonly host: string; readonly port: number } | null;

/** Asks the gateway of a node whose pulse stream broke, until pulses come again. */
export function askDoorWhileBroken(
  stream: Breakable,
  door: Door,
  token: string,
  clock: Clock,
  handlers: PulseHandlers,
): () => void {
  let asking = false;
  let over = false;
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    while (stream.broken && !over) {
      handlers.onDoor(door !== null && (await answers(door, token)) ? 'answers' : 'refuses');
      await clock.sleep(ASK_AGAIN_MS);
    }
    asking = false;
  };
  stream.onBreak = () => void ask();
  return () => {
    over = true;
  };
}

function answers(door: NonNullable<Door>, token: string): Promise<boolean> {
  const preface: GatewayPreface = { farshore: 1, token, want: 'hello', epoch: 0, leftMs: null };
  return new Promise((resolve) => {
    const socket = connect(door);
    let text = '';
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS_MAX, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const line = text.indexOf('\n');
      if (line >= 0) end(isYes(text.slice(0, line)));
      else if (text.length > ANSWER_BYTES_MAX) end(false);
    });
    socket.write(`${JSON.stringify(preface)}\n`);
  });
}

function isYes(line: string): boolean {
  try {
    return (JSON.parse(line) as GatewayPrefaceAnswer).ok;
  } catch {
    // Whatever answers there is no gateway.
    return false;
  }
}
