/** For the tests of TLS: certificates by openssl, and a client that shows which one it was given. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
  readonly pem: string;
}

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'fsh-tls-'));

/** A certificate that signs itself; its files are `NAME.pem` and `NAME.key`. */
export function makeCertificate(
  dir: string,
  name: string,
  hosts: readonly string[],
  kind: 'ec' | 'rsa' = 'ec',
): MadeCertificate {
  const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}.key`)];
  const algorithm = kind === 'ec' ? ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['-newkey', 'rsa:2048'];
  const san = hosts.length === 0 ? [] : ['-addext', `subjectAltName=${hosts.map((it) => `DNS:${it}`).join(',')}`];
  const argv = ['req', '-x509', '-nodes', '-days', '30', '-subj', `/CN=${name}`, ...algorithm, ...san];
  execFileSync('openssl', [...argv, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key, pem: readFileSync(cert, 'utf8') };
}

/** The same name and key as `of`, in a certificate that ended yesterday. `openssl req` refuses to make one. */
export function endedCertificate(dir: string, of: MadeCertificate): MadeCertificate {
  const cert = join(dir, 'ended.pem');
  const request = execFileSync(
    'openssl',
    ['x509', '-x509toreq', '-copy_extensions', 'copy', '-in', of.cert, '-signkey', of.key],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const argv = ['x509', '-req', '-signkey', of.key, '-days', '-1', '-copy_extensions', 'copy', '-out', cert];
  execFileSync('openssl', argv, { input: request, stdio: ['pipe', 'ignore', 'ignore'] });
  return { cert, key: of.key, pem: readFileSync(cert, 'utf8') };
}

/** Resolves when the handshake is over; rejects when either side refused. */
export function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, ...options }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** The common name of the certificate that is shown for a host; any certificate is taken. */
export async function shownFor(port: number, servername: string, ciphers = 'DEFAULT'): Promise<string> {
  const options = { servername, rejectUnauthorized: false, ciphers, maxVersion: 'TLSv1.2' } as const;
  const socket = await handshake(port, options);
  socket.on('error', () => undefined);
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return String(name);
}

/** One request on a connection that is open already; resolves with what came until the answer's body was whole. */
export function askOn(socket: TLSSocket, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const onData = (chunk: Buffer) => {
      said += chunk.toString('latin1');
      const length = /content-length: (\d+)/i.exec(said)?.[1];
      const body = said.split('\r\n\r\n')[1];
      if (length === undefined || body === undefined || body.length < Number(length)) return;
      socket.off('data', onData);
      resolve(said);
    };
    socket.on('data', onData);
    socket.once('error', reject).once('close', () => reject(new Error(`closed after: ${said}`)));
    socket.write(`GET ${path} HTTP/1.1\r\nhost: shop.example\r\n\r\n`);
  });
}
