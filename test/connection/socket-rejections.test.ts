import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeBody } from '../support/bytes.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, openSocket } from '../support/open-socket.ts';

const mistake = new Error('a mistake of the application');

/** What an async listener is to whoever calls it. */
function rejects(): unknown {
  return Promise.reject(mistake);
}

const open: OpenSocket[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((each) => each.dispose()));
});

describe.each(ROLES)('an async listener of a %s socket that rejects', (role) => {
  it('closes the socket with 1011, and is told to a listener for errors', async () => {
    const each = await openSocket(role);
    open.push(each);
    each.socket.on('message', rejects);
    const error = each.next('error');
    await each.send({ payload: 'hello' });
    expect(await error).toEqual([mistake]);
    const close = await each.frame();
    expect([close.opcode, close.payload]).toEqual([8, closeBody(1011)]);
  });

  it('becomes a warning where nobody listens for errors', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const each = await openSocket(role);
    open.push(each);
    each.socket.on('ping', rejects);
    await each.send({ opcode: 9 });
    expect((await each.frame()).opcode).toBe(10);
    expect((await each.frame()).payload).toEqual(closeBody(1011));
    expect(warn.mock.calls).toEqual([[mistake]]);
  });
});
