/**
 * A throwaway certificate for TLS on one's own machine: X.509 version 3, a key of P-256, signed by
 * itself. RFC 5280 says what stands in it (sections named below are its own), and X.690 how that
 * becomes bytes. Writes what such a certificate needs and no more, and reads none.
 *
 * @module
 */

import { generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';

export interface Certificate {
  /** The private key: PKCS #8 in PEM. */
  readonly key: string;
  /** The certificate in PEM: what a server shows, and what its clients are given as `ca`. */
  readonly cert: string;
}

export interface CertificateOptions {
  /**
   * Host names (in ASCII, without wildcards) and IP addresses that it is for. Default: `localhost`,
   * `127.0.0.1` and `::1`.
   */
  readonly names?: readonly string[];
  /** The second in which it begins to be valid. Default: an hour ago, since clocks differ. */
  readonly notBefore?: Date;
  /** The last second in which it is valid. Default: in seven days. */
  readonly notAfter?: Date;
}

const DEFAULT_NAMES = ['localhost', '127.0.0.1', '::1'] as const;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** ub-common-name, in appendix A.1. */
const MAX_COMMON_NAME_LENGTH = 64;
/** The public key at the end of its SubjectPublicKeyInfo: a byte for its form, then x and y. */
const POINT_SIZE = 1 + 32 + 32;

const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** Those that a structure of RFC 5280 gives to its fields: TBSCertificate, and GeneralName. */
  VERSION: 0xa0,
  EXTENSIONS: 0xa3,
  DNS_NAME: 0x82,
  IP_ADDRESS: 0x87,
} as const;

/** What stands in every certificate, and whether a client that does not know it must refuse. */
const EXTENSIONS = [
  // basicConstraints: a CA, of itself alone. A client may ask for that before it trusts a `ca`.
  encodeExtension('2.5.29.19', true, encode(TAG.SEQUENCE, encode(TAG.BOOLEAN, [0xff]))),
  // keyUsage: digitalSignature (bit 0) to serve, keyCertSign (bit 5) to be a CA; 2 bits unused.
  encodeExtension('2.5.29.15', true, encode(TAG.BIT_STRING, [2, 0b1000_0100])),
  // extendedKeyUsage: id-kp-serverAuth.
  encodeExtension('2.5.29.37', false, encode(TAG.SEQUENCE, encodeOid('1.3.6.1.5.5.7.3.1'))),
] as const;
const ECDSA_WITH_SHA256 = encode(TAG.SEQUENCE, encodeOid('1.2.840.10045.4.3.2'));
const VERSION_3 = encode(TAG.VERSION, encode(TAG.INTEGER, [2]));

/**
 * Makes a key and a certificate for it, new ones each time.
 *
 * @throws {TypeError} for a name that is neither a host name nor an IP address, and for no names
 * @throws {RangeError} for a date that a certificate cannot hold (it can from 1950 to 9999), and
 *   where it would end before it begins
 */
export function createCertificate(options: CertificateOptions = {}): Certificate {
  const { names = DEFAULT_NAMES } = options;
  const { notBefore = new Date(Date.now() - HOUR) } = options;
  const { notAfter = new Date(Date.now() + 7 * DAY) } = options;
  const altNames = names.map(encodeAltName);
  const validity = encode(TAG.SEQUENCE, encodeTime(notBefore), encodeTime(notAfter));
  if (names[0] === undefined) throw new TypeError('A certificate needs a name');
  if (notAfter < notBefore) throw new RangeError('A certificate cannot end before it begins');

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' });
  // Section 4.2.1.2, which wants it of every CA.
  const keyIdentifier = hash('sha1', publicKeyInfo.subarray(-POINT_SIZE), 'buffer');
  const extensions = encode(
    TAG.SEQUENCE,
    ...EXTENSIONS,
    encodeExtension('2.5.29.14', false, encode(TAG.OCTET_STRING, keyIdentifier)),
    encodeExtension('2.5.29.17', false, encode(TAG.SEQUENCE, ...altNames)),
  );
  const issuer = encodeName(names[0]);
  const subject = issuer;
  const unsigned = encode(
    TAG.SEQUENCE,
    VERSION_3,
    encode(TAG.INTEGER, randomSerialNumber()),
    ECDSA_WITH_SHA256,
    issuer,
    validity,
    subject,
    publicKeyInfo,
    encode(TAG.EXTENSIONS, extensions),
  );
  // No bit of the last byte is unused.
  const signature = encode(TAG.BIT_STRING, [0], sign('sha256', unsigned, privateKey));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: toPem(encode(TAG.SEQUENCE, unsigned, ECDSA_WITH_SHA256, signature)),
  };
}

/** Section 4.1.2.2: positive, so it begins with a 0; at most 20 bytes, none of them needless. */
function randomSerialNumber(): Buffer {
  const number = randomBytes(16);
  number[0] = (number[0]! & 0b0011_1111) | 0b0100_0000;
  return number;
}

/** Section 4.1.2.4. The common name is for people to read: clients go by subjectAltName. */
function encodeName(name: string): Buffer {
  const text = Buffer.from(name.slice(0, MAX_COMMON_NAME_LENGTH));
  const commonName = encode(TAG.SEQUENCE, encodeOid('2.5.4.3'), encode(TAG.UTF8_STRING, text));
  return encode(TAG.SEQUENCE, encode(TAG.SET, commonName));
}

/** Section 4.1.2.5: whole seconds of UTC, as UTCTime (whose year has two digits) through 2049. */
function encodeTime(time: Date): Buffer {
  const year = time.getUTCFullYear();
  // Written so that the NaN of an invalid date is refused as well.
  if (!(year >= 1950 && year <= 9999)) {
    throw new RangeError(`A certificate cannot hold this date: ${String(time)}`);
  }
  const text = time.toISOString().replace(/\.[0-9]+|[-:T]/g, '');
  return year < 2050
    ? encode(TAG.UTC_TIME, Buffer.from(text.slice(2)))
    : encode(TAG.GENERALIZED_TIME, Buffer.from(text));
}

/** Section 4.1. What is not critical does not say so: DER leaves defaults out. */
function encodeExtension(oid: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [encode(TAG.BOOLEAN, [0xff])] : [];
  return encode(TAG.SEQUENCE, encodeOid(oid), ...critical, encode(TAG.OCTET_STRING, value));
}

/** Section 4.2.1.6. A zone (`fe80::1%eth0`) is the business of one machine, and in no address. */
function encodeAltName(name: string): Buffer {
  if (isIPv4(name)) return encode(TAG.IP_ADDRESS, parseGroups(name));
  if (isIPv6(name) && !name.includes('%')) return encode(TAG.IP_ADDRESS, parseIPv6(name));
  if (isHostName(name)) return encode(TAG.DNS_NAME, Buffer.from(name));
  throw new TypeError(`Neither a host name nor an IP address: "${name}"`);
}

/** RFC 1123, section 2.1. The last label is no number, lest the name be taken for an address. */
function isHostName(name: string): boolean {
  if (name.length > 253 || /(?:^|\.)[0-9]+$/.test(name)) return false;
  return name.split('.').every((label) => /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(label));
}

/** `::` stands for the zeros that are missing in 16 bytes. */
function parseIPv6(address: string): Uint8Array {
  const [start = [], end = []] = address.split('::').map(parseGroups);
  const bytes = new Uint8Array(16);
  bytes.set(start, 0);
  bytes.set(end, bytes.length - end.length);
  return bytes;
}

/** Groups of two bytes in hexadecimal digits, of which the last may be four bytes in decimal. */
function parseGroups(groups: string): number[] {
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return Number.isNaN(value) ? [] : [value >> 8, value & 0xff];
  });
}

/** One value in DER: its tag, the length of its contents, its contents (X.690, section 8.1). */
function encode(tag: number, ...contents: ArrayLike<number>[]): Buffer {
  const content = Buffer.concat(contents.map((part) => Buffer.from(part)));
  const length = toDigits(content.length, 256);
  const header = content.length < 0x80 ? [tag, ...length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(header), content]);
}

/** X.690, section 8.19: the first two numbers share one; the last digit of each has no high bit. */
function encodeOid(oid: string): Buffer {
  const [first = 0, second = 0, ...others] = oid.split('.').map(Number);
  const bytes = [40 * first + second, ...others].flatMap((number) =>
    toDigits(number, 128).map((digit, index, { length }) => digit + (index < length - 1 ? 128 : 0)),
  );
  return encode(TAG.OBJECT_IDENTIFIER, bytes);
}

/** The digits of a whole number, the highest first, and at least one. */
function toDigits(number: number, base: number): number[] {
  const last = number % base;
  return number < base ? [last] : [...toDigits(Math.floor(number / base), base), last];
}

/** RFC 7468, section 5.1: lines of 64 signs. */
function toPem(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?!$)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
