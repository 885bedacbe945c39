import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { WebSocketServer, refuse } from 'tautline';

// What your login signs its cookies with.
const SECRET = process.env.SECRET ?? randomBytes(32);

// Tokens of programs, by their hashes: whoever reads this store still has no token.
const hash = (token) => createHash('sha256').update(token).digest('hex');
const store = new Map([[hash('token of Ben'), { user: 'Ben', expires: Date.now() + 3_600_000 }]]);

/** A page has a cookie, `PAYLOAD.SIGNATURE`. Returns undefined where nobody of ours has signed it. */
function readCookie(cookie = '') {
  const [payload, signature = ''] = cookie.split('.');
  const right = createHmac('sha256', SECRET).update(payload).digest();
  const given = Buffer.from(signature, 'base64url');
  // `===` would tell by its time how many of the bytes are right.
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  return JSON.parse(Buffer.from(payload, 'base64url'));
}

/** A program sends `Authorization: Bearer TOKEN`. Async, as a database is. */
async function readToken(authorization = '') {
  const [scheme, token] = authorization.split(/ (.*)/);
  return scheme.toLowerCase() === 'bearer' ? store.get(hash(token ?? '')) : undefined;
}

/** A session that is over is none: a cookie of yesterday must not hide a token of today. */
const valid = (session) => (session?.expires > Date.now() ? session : undefined);

// A browser sends the cookie from whatever page asks: these pages are ours.
const server = new WebSocketServer({ origins: ['https://example.com'] });

server.route('/account', {
  async upgrade({ cookies, headers }) {
    const session =
      valid(readCookie(cookies.session)) ?? valid(await readToken(headers.authorization));
    return session === undefined
      ? refuse(401, { 'WWW-Authenticate': 'Bearer' }, 'who are you?\n')
      : { data: session };
  },
  message(socket, message) {
    socket.send(`${socket.data.user} said ${message}`);
  },
});

// A socket must not outlive its session. The codes from 4000 on are for applications. (`?.`, since
// sockets of other routes may have no data.)
setInterval(() => {
  for (const socket of server.sockets) {
    if (socket.data?.expires <= Date.now()) void socket.close(4401, 'the session is over');
  }
}, 1000).unref();

await server.listen(Number(process.env.PORT ?? 3000));
console.log(`listening on ws://localhost:${server.address().port}/account`);

process.once('SIGTERM', () => server.shutdown());
