/** The parser of Node's own HTTP server, as another opinion on the head of a request. */
import { type IncomingMessage, createServer } from 'node:http';
import { Duplex } from 'node:stream';

/** What Node found in a request. */
interface NodeHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  /** Name in lower case, and value, in order and with duplicates. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The bytes behind the head, where Node tells them: for Upgrade and CONNECT. */
  readonly behind: Buffer | null;
}

/** A connection on which bytes arrive, and nobody reads what is answered. */
class OneWay extends Duplex {
  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

/** Lets Node's server read one request in strict mode. Null where it refuses or waits for more. */
export function readByNode(wire: Buffer): Promise<NodeHead | null> {
  return new Promise((resolve) => {
    const connection = new OneWay();
    const server = createServer({ insecureHTTPParser: false, requireHostHeader: false });
    const settle = (head: NodeHead | null): void => {
      resolve(head);
      connection.destroy();
    };
    const take = (request: IncomingMessage, behind: Buffer | null): void => {
      const { method = '', url = '', httpVersion, rawHeaders } = request;
      const fields: [string, string][] = [];
      for (let i = 0; i < rawHeaders.length; i += 2) {
        fields.push([rawHeaders[i]!.toLowerCase(), rawHeaders[i + 1]!]);
      }
      settle({ method, url, httpVersion, fields, behind });
    };
    server.on('request', (request) => take(request, null));
    server.on('checkContinue', (request: IncomingMessage) => take(request, null));
    server.on('checkExpectation', (request: IncomingMessage) => take(request, null));
    server.on('upgrade', (request, _socket, behind) => take(request, behind));
    server.on('connect', (request, _socket, behind) => take(request, behind));
    server.on('clientError', () => settle(null));
    connection.on('close', () => settle(null));
    server.emit('connection', connection);
    connection.push(wire);
    connection.push(null);
  });
}
