import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { FarshoreError } from '../../base/errors.ts';
import type { EdgeTls } from '../../ports/config.ts';

/** One certificate as it is served. */
export interface ServedCertificate {
  readonly path: string;
  /** Host names and addresses that it is good for, wildcards as they are written: `*.shop.example`. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. With a chain: when the first of it ends. */
  readonly notAfterMs: number;
}

/** All certificates of an edge, ready to be served. */
export interface CertificateSet {
  readonly served: readonly ServedCertificate[];
  /** For clients that name no host, or one that no certificate is for: they are told by a name that is not theirs. */
  readonly fallback: SecureContextOptions;
  /** What to show to a client that asks for `name`; undefined: nothing is for it. */
  contextFor(name: string): SecureContext | undefined;
}

interface Loaded extends ServedCertificate {
  readonly kind: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Reads and judges every certificate: a set with a fault is refused whole, so that nobody finds out from users.
 * @throws FarshoreError FSH_TLS_INVALID with the file and what is wrong with it
 */
export async function loadCertificates(tls: EdgeTls, wallMs: number): Promise<CertificateSet> {
  if (tls.certificates.length === 0) throw invalid('no certificate is named, and a listener asks for TLS');
  const loaded = await Promise.all(tls.certificates.map((files) => loadOne(files, wallMs)));
  for (const host of tls.hosts ?? []) {
    if (loaded.some(({ names }) => names.some((name) => covers(name, host)))) continue;
    const all = loaded.flatMap(({ names }) => names).join(', ');
    throw invalid(`no certificate is for ${host}; those given are for ${all}`);
  }
  return setOf(loaded);
}

/** Who signed what the checks of the address meet. Throws FSH_* with what is wrong about the file. */
export async function checkAuthority(path: string): Promise<void> {
  const [first] = chainIn(await textOf(path, 'the authority'), path);
  if (first === undefined) throw invalid(`${path} holds no certificate in PEM`);
}

async function loadOne({ cert, key }: EdgeTls['certificates'][number], wallMs: number): Promise<Loaded> {
  const certPem = await textOf(cert, 'the certificate');
  const keyPem = await textOf(key, 'the key');
  const chain = chainIn(certPem, cert);
  const [own] = chain;
  if (own === undefined) throw invalid(`${cert} holds no certificate in PEM`);
  if (!own.checkPrivateKey(keyIn(keyPem, key)))
    throw invalid(`the key ${key} is not the one of the certificate ${cert}`);
  for (const [at, each] of chain.entries()) {
    const which = at === 0 ? `the certificate ${cert}` : `certificate ${at + 1} of the chain in ${cert}`;
    if (Date.parse(each.validTo) <= wallMs) throw invalid(`${which} ended on ${each.validTo}`);
    if (Date.parse(each.validFrom) > wallMs) throw invalid(`${which} is not valid before ${each.validFrom}`);
    const issuer = chain[at + 1];
    if (issuer !== undefined && !each.checkIssued(issuer))
      throw invalid(`the chain in ${cert} is broken: certificate ${at + 2} did not issue certificate ${at + 1}`);
  }
  const names = namesOf(own);
  if (names.length === 0) throw invalid(`${cert} has no subjectAltName: no client accepts it for any host`);
  const notAfterMs = Math.min(...chain.map((each) => Date.parse(each.validTo)));
  return { path: cert, names, notAfterMs, kind: own.publicKey.asymmetricKeyType ?? '', certPem, keyPem };
}

async function textOf(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalid(`${what} ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function chainIn(pem: string, path: string): readonly X509Certificate[] {
  try {
    return (pem.match(PEM) ?? []).map((one) => new X509Certificate(one));
  } catch (error) {
    throw invalid(`${path} holds a certificate that can't be read`, error);
  }
}

function keyIn(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    // What OpenSSL says may quote the file, and the file is a secret.
    throw invalid(`${path} holds no private key in PEM, or one that needs a password`, error);
  }
}

const namesOf = (certificate: X509Certificate): readonly string[] =>
  [...(certificate.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s"]+)/g)].map((found) =>
    (found[1] ?? '').toLowerCase(),
  );

/** RFC 9525: a wildcard stands for one label, the leftmost. */
const covers = (name: string, host: string): boolean =>
  name === host || (name.startsWith('*.') && host.includes('.') && host.slice(host.indexOf('.')) === name.slice(1));

/** Several certificates for one name: one of each kind of key is offered, and the client's ciphers choose. */
function setOf(loaded: readonly Loaded[]): CertificateSet {
  const contexts = new Map<string, SecureContext>();
  for (const name of new Set(loaded.flatMap(({ names }) => names)))
    contexts.set(name, createSecureContext(optionsOf(loaded.filter(({ names }) => names.includes(name)))));
  const [first] = loaded;
  return {
    served: loaded.map(({ path, names, notAfterMs }) => ({ path, names, notAfterMs })),
    fallback: optionsOf(loaded.filter(({ names }) => names.some((name) => first?.names.includes(name)))),
    contextFor: (asked) => {
      const name = asked.toLowerCase();
      return contexts.get(name) ?? contexts.get(`*${name.slice(name.indexOf('.'))}`);
    },
  };
}

function optionsOf(all: readonly Loaded[]): SecureContextOptions {
  const ofKind = new Map(all.toReversed().map((each) => [each.kind, each]));
  const chosen = [...ofKind.values()];
  return {
    cert: chosen.map(({ certPem }) => certPem),
    key: chosen.map(({ keyPem }) => keyPem),
    minVersion: 'TLSv1.2',
  };
}

const invalid = (text: string, cause?: unknown): FarshoreError => new FarshoreError('FSH_TLS_INVALID', text, cause);
