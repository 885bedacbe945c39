import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { type TLSSocket, type ConnectionOptions, connect, createServer } from 'node:tls';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Certificate, createCertificate } from '../../src/cli/certificate.ts';
import { listenOn } from '../support/raw-peer.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

function read(certificate: Certificate): X509Certificate {
  return new X509Certificate(certificate.cert);
}

/** What a certificate for `names` says about them. */
function altNames(...names: string[]): string | undefined {
  return read(createCertificate({ names })).subjectAltName;
}

describe('createCertificate', () => {
  it('makes a certificate that signs itself', () => {
    const certificate = read(createCertificate());
    expect(certificate.subject).toBe('CN=localhost');
    expect(certificate.issuer).toBe('CN=localhost');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkIssued(certificate)).toBe(true);
  });

  it('gives the key of the certificate, on P-256', () => {
    const { key, cert } = createCertificate();
    const certificate = new X509Certificate(cert);
    const privateKey = createPrivateKey(key);
    expect(privateKey.asymmetricKeyType).toBe('ec');
    expect(privateKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(certificate.checkPrivateKey(privateKey)).toBe(true);
    expect(createPublicKey(key).equals(certificate.publicKey)).toBe(true);
  });

  it('writes PEM in lines of 64 signs', () => {
    const { cert } = createCertificate();
    expect(cert).toMatch(
      /^-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/=]{1,64}\n-----END CERTIFICATE-----\n$/,
    );
    // Node writes it anew from what it has read.
    expect(new X509Certificate(cert).toString()).toBe(cert);
  });

  it('may be trusted as a certificate authority, and be shown by a server', () => {
    const certificate = read(createCertificate());
    expect(certificate.ca).toBe(true);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });

  it('never gives two certificates a key or a serial number in common', () => {
    const certificates = Array.from({ length: 20 }, () => read(createCertificate()));
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(20);
    expect(new Set(certificates.map(({ fingerprint256 }) => fingerprint256)).size).toBe(20);
    const [first, second] = certificates;
    expect(first!.publicKey.equals(second!.publicKey)).toBe(false);
    expect(first!.verify(second!.publicKey)).toBe(false);
    // Positive, and with as many bytes as it needs: the first has no sign, and is not 0.
    for (const { serialNumber } of certificates)
      expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
  });
});

describe('the names of a certificate', () => {
  it('are those of the loopback by default', () => {
    const certificate = read(createCertificate());
    expect(certificate.subjectAltName).toBe(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(certificate.checkHost('example.com')).toBeUndefined();
    expect(certificate.checkIP('127.0.0.2')).toBeUndefined();
    expect(certificate.checkIP('::2')).toBeUndefined();
  });

  it('are those that are given, of which the first is the common name', () => {
    const names = ['a.example.com', '192.0.2.1', 'xn--bcher-kva.example'];
    const certificate = read(createCertificate({ names }));
    expect(certificate.subject).toBe('CN=a.example.com');
    expect(certificate.subjectAltName).toBe(
      'DNS:a.example.com, IP Address:192.0.2.1, DNS:xn--bcher-kva.example',
    );
    expect(certificate.checkHost('localhost')).toBeUndefined();
  });

  it('may begin with an address', () => {
    const certificate = read(createCertificate({ names: ['2001:db8::1'] }));
    expect(certificate.subject).toBe('CN=2001:db8::1');
    expect(certificate.checkIP('2001:db8::1')).toBe('2001:db8::1');
  });

  it('may be longer than a common name', () => {
    const name = `${'a'.repeat(63)}.example`;
    const certificate = read(createCertificate({ names: [name] }));
    expect(certificate.subject).toBe(`CN=${'a'.repeat(63)}.`);
    expect(certificate.checkHost(name)).toBe(name);
  });

  it('may be so many that a length needs three bytes', () => {
    const names = Array.from({ length: 3000 }, (_, index) => `host-number-${index}.example.com`);
    const certificate = read(createCertificate({ names }));
    expect(certificate.raw.length).toBeGreaterThan(0xffff);
    expect(certificate.checkHost('host-number-2999.example.com')).toBeDefined();
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  it.each([
    ['::', '0:0:0:0:0:0:0:0'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:FFFF:C000:201'],
    ['64:ff9b::192.0.2.33', '64:FF9B:0:0:0:0:C000:221'],
    ['1:2:3:4:5:6:192.0.2.33', '1:2:3:4:5:6:C000:221'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:DB8:0:0:8:800:200C:417A'],
    ['2001:db8::8:800:200c:417a', '2001:DB8:0:0:8:800:200C:417A'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ])('may be the IPv6 address %s', (address, written) => {
    expect(altNames(address)).toBe(`IP Address:${written}`);
  });

  it('may be any IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(read(createCertificate({ names: [address] })).checkIP(address)).toBe(address);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    'a',
    'A-1.b',
    '1.a',
    'localhost',
    `${'a'.repeat(63)}.b`,
    'a.'.repeat(126) + 'b',
    '3com.com',
  ])('may be the host name %s', (name) => {
    expect(altNames(name)).toBe(`DNS:${name}`);
  });

  it.each([
    '',
    '.',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-.b',
    'a_b',
    'a b',
    'a\0b',
    'a\nb',
    'a,DNS:b',
    'bücher.example',
    '*.example.com',
    'localhost:8080',
    'https://localhost',
    `${'a'.repeat(64)}.b`,
    'a.'.repeat(127),
    'a.'.repeat(126) + 'bc',
    '[::1]',
    '::1/128',
    'fe80::1%eth0',
    '1::2::3',
    '1:2:3',
    '12345::',
    '256.0.0.1',
    '1.2.3',
    '1',
    '127.1',
    '01.2.3.4',
  ])('cannot be %j', (name) => {
    expect(() => createCertificate({ names: ['localhost', name] })).toThrow(
      new TypeError(`Neither a host name nor an IP address: "${name}"`),
    );
  });

  it('cannot be none', () => {
    expect(() => createCertificate({ names: [] })).toThrow(
      new TypeError('A certificate needs a name'),
    );
  });
});

describe('the time of a certificate', () => {
  it('is from an hour ago to a week from now by default', () => {
    const before = Math.floor(Date.now() / SECOND) * SECOND;
    const certificate = read(createCertificate());
    const after = Date.now();
    const from = Date.parse(certificate.validFrom);
    const to = Date.parse(certificate.validTo);
    expect(from).toBeGreaterThanOrEqual(before - HOUR);
    expect(from).toBeLessThanOrEqual(after - HOUR);
    expect(to).toBeGreaterThanOrEqual(before + 7 * DAY);
    expect(to).toBeLessThanOrEqual(after + 7 * DAY);
  });

  // The first byte of each value says how it is written: UTCTime (0x17) or GeneralizedTime (0x18).
  it.each([
    ['1950-01-01T00:00:00.000Z', '\x17\x0d500101000000Z'],
    ['1999-12-31T23:59:59.999Z', '\x17\x0d991231235959Z'],
    ['2000-01-01T00:00:00.000Z', '\x17\x0d000101000000Z'],
    ['2024-02-29T01:02:03.004Z', '\x17\x0d240229010203Z'],
    ['2049-12-31T23:59:59.999Z', '\x17\x0d491231235959Z'],
    ['2050-01-01T00:00:00.000Z', '\x18\x0f20500101000000Z'],
    ['9999-12-31T23:59:59.999Z', '\x18\x0f99991231235959Z'],
  ])('is %s to the second', (text, written) => {
    const time = new Date(text);
    const certificate = read(createCertificate({ notBefore: time, notAfter: time }));
    const seconds = Math.floor(time.getTime() / SECOND) * SECOND;
    expect(Date.parse(certificate.validFrom)).toBe(seconds);
    expect(Date.parse(certificate.validTo)).toBe(seconds);
    expect(certificate.raw.toString('latin1')).toContain(written + written);
  });

  it.each([
    '1949-12-31T23:59:59.999Z',
    '+010000-01-01T00:00:00.000Z',
    '-000001-01-01T00:00:00.000Z',
  ])('cannot be %s', (text) => {
    const time = new Date(text);
    const refusal = new RangeError(`A certificate cannot hold this date: ${String(time)}`);
    expect(() => createCertificate({ notBefore: time })).toThrow(refusal);
    expect(() => createCertificate({ notAfter: time })).toThrow(refusal);
  });

  it('cannot be no time at all', () => {
    expect(() => createCertificate({ notAfter: new Date(Number.NaN) })).toThrow(
      new RangeError('A certificate cannot hold this date: Invalid Date'),
    );
  });

  it('cannot end before it begins', () => {
    const notAfter = new Date();
    const notBefore = new Date(notAfter.getTime() + 1);
    expect(() => createCertificate({ notBefore, notAfter })).toThrow(
      new RangeError('A certificate cannot end before it begins'),
    );
  });
});

describe('TLS with a certificate', () => {
  /** A TLS server that shows `certificate`. Returns its port. */
  async function serve(certificate: Certificate): Promise<number> {
    const server = createServer({ ...certificate }, (socket) => socket.end());
    // The reset of a client that refuses.
    server.on('tlsClientError', () => {});
    return listenOn(server);
  }

  /** Whether a client accepts the server. Rejects with its reason otherwise. */
  async function shake(options: ConnectionOptions): Promise<boolean> {
    const socket: TLSSocket = connect({ host: '127.0.0.1', ...options });
    onTestFinished(() => void socket.destroy());
    await once(socket, 'secureConnect');
    return socket.authorized;
  }

  it('is accepted by who trusts it, for each of its names', async () => {
    const certificate = createCertificate();
    const port = await serve(certificate);
    const ca = certificate.cert;
    expect(await shake({ port, ca, servername: 'localhost' })).toBe(true);
    expect(await shake({ port, ca })).toBe(true);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is accepted in %s', async (version) => {
    const certificate = createCertificate();
    const port = await serve(certificate);
    const ca = certificate.cert;
    expect(await shake({ port, ca, minVersion: version, maxVersion: version })).toBe(true);
  });

  it('is refused for another name', async () => {
    const certificate = createCertificate({ names: ['example.com', '127.0.0.2'] });
    const port = await serve(certificate);
    const ca = certificate.cert;
    const refusal = { code: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    expect(await shake({ port, ca, servername: 'example.com' })).toBe(true);
    await expect(shake({ port, ca, servername: 'localhost' })).rejects.toMatchObject(refusal);
    await expect(shake({ port, ca })).rejects.toMatchObject(refusal);
  });

  it('is refused by who does not trust it', async () => {
    const port = await serve(createCertificate());
    const other = createCertificate().cert;
    await expect(shake({ port })).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    // The other has the same subject, and another key.
    await expect(shake({ port, ca: other })).rejects.toMatchObject({ code: expect.any(String) });
  });

  it('is refused before its time and after it', async () => {
    const past = createCertificate({ notAfter: new Date(Date.now() - 10 * SECOND) });
    await expect(shake({ port: await serve(past), ca: past.cert })).rejects.toMatchObject({
      code: 'CERT_HAS_EXPIRED',
    });
    const future = createCertificate({ notBefore: new Date(Date.now() + HOUR) });
    await expect(shake({ port: await serve(future), ca: future.cert })).rejects.toMatchObject({
      code: 'CERT_NOT_YET_VALID',
    });
  });
});
