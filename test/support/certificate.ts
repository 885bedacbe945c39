/**
 * A key and a certificate for tests of TLS: self-signed, for `localhost` and 127.0.0.1, valid from
 * 2024 to 2124. The key is public, and so nothing is protected by it.
 */

export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnuyv3vurnGObWTYA
3w/YSWh3nA3+wMvGRbleWE8E9UehRANCAATUTmZTkCckiTLJf7q29JaFzLmSUamT
6MXprpxbOKtJZjyskqsNT+dJeqqCixJOImYrv40T/Fjv6nuAvAkQbylx
-----END PRIVATE KEY-----
`;

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjQwMTAxMDAwMDAwWhgPMjEyNDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNROZlOQJySJMsl/
urb0loXMuZJRqZPoxemunFs4q0lmPKySqw1P50l6qoKLEk4iZiu/jRP8WO/qe4C8
CRBvKXGjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBQ/XsmJ8U6Q3Xdjbuj3uyxjagpBUTAKBggqhkjOPQQD
AgNIADBFAiACsr72aprnd9toWqB+IsXJ3vzwVzmcMLWm4oOoS1HlNwIhAId8riUk
sbC0J2x+l7/mhHR5YjFDFbrL6SmCJhne+SRj
-----END CERTIFICATE-----
`;
