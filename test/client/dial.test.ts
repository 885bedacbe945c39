import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, type TlsOptions, createServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCertificate } from '../../src/cli/certificate.ts';
import { type DialOptions, dial } from '../../src/client/dial.ts';
import { readUrl } from '../../src/client/url.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { listenOn } from '../support/raw-peer.ts';

const TRUST: DialOptions = { tls: { ca: CERTIFICATE } };

interface TlsListener {
  readonly port: number;
  /** The next that is accepted, and the names that it asked for. */
  readonly accepted: Promise<TLSSocket>;
  readonly names: readonly string[];
}

async function listenTls(options: TlsOptions = {}): Promise<TlsListener> {
  const names: string[] = [];
  const server = createServer({
    key: KEY,
    cert: CERTIFICATE,
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (name, callback) => {
      names.push(name);
      callback(null);
    },
    ...options,
  });
  server.on('tlsClientError', () => {
    // The client tells the test.
  });
  const accepted = new Promise<TLSSocket>((resolve) => {
    server.on('secureConnection', (socket) => {
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => {
        // As above.
      });
      resolve(socket);
    });
  });
  return { port: await listenOn(server), accepted, names };
}

/** Dials, and waits until it may be written to. */
async function open(url: string, options: DialOptions = {}): Promise<TLSSocket> {
  const { transport, ready } = dial(readUrl(url), options);
  onTestFinished(() => void transport.destroy());
  await once(transport, ready);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- where the test asks for wss
  return transport as TLSSocket;
}

describe('dial', () => {
  it('connects over TCP, with a direction of its own for each end', async () => {
    const server = createNetServer((socket) => socket.resume().end());
    const port = await listenOn(server);
    const transport = await open(`ws://127.0.0.1:${port}`);
    transport.resume();
    await once(transport, 'end');
    expect(transport.writable).toBe(true);
    expect(transport.allowHalfOpen).toBe(true);
  });

  it('connects to a name', async () => {
    const port = await listenOn(createNetServer((socket) => socket.resume()));
    expect((await open(`ws://localhost:${port}`)).remotePort).toBe(port);
  });

  it('connects to a Unix socket, with TLS and without', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tautline-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const plain = createNetServer((socket) => socket.resume());
    const secure = createServer({ key: KEY, cert: CERTIFICATE }, (socket) => socket.resume());
    for (const [server, scheme] of [
      [plain, 'ws'],
      [secure, 'wss'],
    ] as const) {
      const socketPath = join(folder, scheme);
      server.listen(socketPath);
      await once(server, 'listening');
      onTestFinished(() => void server.close());
      const transport = await open(`${scheme}://localhost/`, { ...TRUST, socketPath });
      expect(transport.remotePort).toBeUndefined();
      expect(transport.allowHalfOpen).toBe(true);
    }
  });

  it('asks for the host by SNI, and for http/1.1 by ALPN', async () => {
    const { port, accepted, names } = await listenTls();
    const transport = await open(`wss://localhost:${port}`, TRUST);
    expect(names).toEqual(['localhost']);
    expect(transport.authorized).toBe(true);
    expect(transport.alpnProtocol).toBe('http/1.1');
    expect(transport.allowHalfOpen).toBe(true);
    expect((await accepted).alpnProtocol).toBe('http/1.1');
  });

  it('asks for no name where there is an address, and verifies that', async () => {
    const { port, names } = await listenTls();
    expect((await open(`wss://127.0.0.1:${port}`, TRUST)).authorized).toBe(true);
    expect(names).toEqual([]);
  });

  it('leaves out the dot at the end of a name', async () => {
    const { port, names } = await listenTls();
    const tls = { ...TRUST.tls, lookup: lookupLoopback };
    await open(`wss://localhost.:${port}`, { tls });
    expect(names).toEqual(['localhost']);
  });

  it('asks for, and verifies, the name that it is told', async () => {
    const { key, cert } = createCertificate({ names: ['elsewhere.example'] });
    const { port, names } = await listenTls({ key, cert });
    const tls = { ca: cert, servername: 'elsewhere.example' };
    expect((await open(`wss://127.0.0.1:${port}`, { tls })).authorized).toBe(true);
    expect(names).toEqual(['elsewhere.example']);
  });

  it('verifies certificates by default, and where an option is undefined', async () => {
    const { port } = await listenTls();
    const undefinedOptions = { rejectUnauthorized: undefined, checkServerIdentity: undefined };
    for (const options of [{}, { tls: undefined }, { tls: undefinedOptions }] as const) {
      await expect(open(`wss://localhost:${port}`, options)).rejects.toMatchObject({
        code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      });
    }
    const other = createCertificate({ names: ['elsewhere.example'] });
    const elsewhere = await listenTls(other);
    for (const host of ['localhost', '127.0.0.1']) {
      const tls = { ca: other.cert, checkServerIdentity: undefined };
      await expect(open(`wss://${host}:${elsewhere.port}`, { tls })).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    }
  });

  it('takes any certificate where it is told so', async () => {
    const { port } = await listenTls();
    const tls = { rejectUnauthorized: false };
    expect((await open(`wss://localhost:${port}`, { tls })).authorized).toBe(false);
  });

  it('shows its own certificate', async () => {
    const client = createCertificate({ names: ['client'] });
    const { port, accepted } = await listenTls({ requestCert: true, rejectUnauthorized: false });
    await open(`wss://localhost:${port}`, { tls: { ...TRUST.tls, ...client } });
    expect((await accepted).getPeerCertificate().subject.CN).toBe('client');
  });

  it('throws for options that TLS does not know', () => {
    expect(() => dial(readUrl('wss://localhost'), { tls: { key: 'no key' } })).toThrow();
  });
});

/** Whatever the name, it is this machine. */
function lookupLoopback(
  _name: string,
  _options: unknown,
  callback: (error: null, addresses: { address: string; family: number }[]) => void,
): void {
  callback(null, [{ address: '127.0.0.1', family: 4 }]);
}
