/**
 * A key and a certificate for tests of TLS: self-signed, for `localhost` and the loopback addresses,
 * fresh for each test file.
 */
import { createCertificate } from '../../src/cli/certificate.ts';

export const { key: KEY, cert: CERTIFICATE } = createCertificate();
