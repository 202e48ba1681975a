import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { listenToPulses } from './pulses.ts';

it('what an agent says that is no pulse ends nothing, and the stream is opened again', async () => {
  const answers: readonly RequestListener[] = [
    (_, response) => response.writeHead(401).end('{"node":"who are you?"}\n'),
    (_, response) => response.end('not a pulse\n'),
    (_, response) => response.end('null\n'),
    (_, response) => response.end('{"node":"a:1/n1"}\n'),
  ];
  let asked = 0;
  const server = createServer((request, response) => answers[asked++]?.(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const heard: string[] = [];
  let heardOne: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (heardOne = resolve));
  const end = listenToPulses({ node: 'a:1/n1', port, token: 'x' }, (pulse) => {
    heard.push(JSON.stringify(pulse));
    heardOne();
  });
  await first;
  end();
  server.close();
  expect(heard).toEqual(['{"node":"a:1/n1"}']);
  expect(asked).toBe(4);
});
