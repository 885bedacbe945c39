import { describe, expect, it } from 'vitest';
import { closeBody } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

function after(open: OpenConnection, milliseconds: number): void {
  open.clock.advance(milliseconds);
  open.connection.tick();
}

describe.each(ROLES)('a %s, as time goes by', (role) => {
  it('sends a Ping, learns the latency of its Pong, and ends a peer that is silent', () => {
    const open = new OpenConnection(role);
    expect([open.connection.deadline, open.connection.latency]).toEqual([31_000, Number.NaN]);
    after(open, 29_999);
    expect(open.sent()).toEqual([]);
    after(open, 1);
    const [ping] = open.sent();
    expect(ping?.opcode).toBe(9);
    open.clock.advance(7);
    open.receiveFrames({ opcode: 10, payload: ping!.payload });
    expect([open.connection.deadline, open.connection.latency]).toEqual([61_000, 7]);
    after(open, 30_000);
    after(open, 10_000);
    expect(open.transport.destroyed).toBe(true);
  });

  it('destroys the transport of a closing handshake that takes too long, once', () => {
    const open = new OpenConnection(role);
    open.connection.close(1000);
    after(open, 9_999);
    expect([open.connection.deadline, open.transport.destroyed]).toEqual([11_000, false]);
    after(open, 1);
    expect(open.connection.deadline).toBe(Number.POSITIVE_INFINITY);
    after(open, 1e9);
    expect(open.transport.calls.filter((call) => call === 'destroy')).toHaveLength(1);
    expect(open.sent()).toMatchObject([{ payload: closeBody(1000) }]);
  });
});
