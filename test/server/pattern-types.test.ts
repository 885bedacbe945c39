import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Params, type ParamsOf, RoutePattern } from '../../src/server/pattern.ts';

/** What a route would be: the parameters that its pattern names, for a path of that pattern. */
function paramsOf<Pattern extends string>(pattern: Pattern, path: string): ParamsOf<Pattern> {
  const params = new RoutePattern(pattern).match(path);
  if (params === null) throw new Error('the path is not of that pattern');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the pattern has named them
  return params as ParamsOf<Pattern>;
}

describe('ParamsOf', () => {
  it('knows the names of a pattern', () => {
    expectTypeOf<ParamsOf<'/:room'>>().toEqualTypeOf<{ readonly room: string }>();
    expectTypeOf<ParamsOf<'/chat/:room'>>().toEqualTypeOf<{ readonly room: string }>();
    expectTypeOf<ParamsOf<'/chat/:room/'>>().toEqualTypeOf<{ readonly room: string }>();
    expectTypeOf<ParamsOf<'/chat/:room/:user_1/x'>>().toEqualTypeOf<{
      readonly room: string;
      readonly user_1: string;
    }>();

    const params = paramsOf('/chat/:room/:user', '/chat/7/ann');
    expectTypeOf(params.room).toEqualTypeOf<string>();
    expect(params.room + params.user).toBe('7ann');
  });

  it('knows the tail of a pattern', () => {
    expectTypeOf<ParamsOf<'*'>>().toEqualTypeOf<{ readonly '*': string }>();
    expectTypeOf<ParamsOf<'/*'>>().toEqualTypeOf<{ readonly '*': string }>();
    expectTypeOf<ParamsOf<'/files/:user/*'>>().toEqualTypeOf<{
      readonly user: string;
      readonly '*': string;
    }>();

    const params = paramsOf('/files/:user/*', '/files/ann/a/b');
    expect([params.user, params['*']]).toEqual(['ann', 'a/b']);
  });

  it('refuses a name that the pattern does not have', () => {
    const params = paramsOf('/chat/:room', '/chat/7');
    // @ts-expect-error -- no such name
    expect(params.user).toBeUndefined();
    // @ts-expect-error -- no tail
    expect(params['*']).toBeUndefined();

    const none = paramsOf('/chat', '/chat');
    expectTypeOf<keyof typeof none>().toEqualTypeOf<never>();
    // @ts-expect-error -- no name at all
    expect(none.room).toBeUndefined();
    // @ts-expect-error -- an escaped colon begins no name
    expect(paramsOf('/chat/%3Aroom', '/chat/:room').room).toBeUndefined();
  });

  it('refuses to write to a parameter', () => {
    const params = paramsOf('/chat/:room', '/chat/7');
    // @ts-expect-error -- readonly
    params.room = '8';
    expectTypeOf(params).not.toEqualTypeOf<{ room: string }>();
    expect(params).toEqual({ room: '8' });
  });

  it('knows nothing of a pattern that is not a literal', () => {
    expectTypeOf<ParamsOf<string>>().toEqualTypeOf<Params>();
    expectTypeOf<ParamsOf<`/chat/${string}`>>().toEqualTypeOf<Params>();
    expectTypeOf<ParamsOf<`${string}/:room`>>().toEqualTypeOf<Params>();

    const pattern: string = '/chat/:room';
    expect(paramsOf(pattern, '/chat/7')['room']).toBe('7');
  });

  it('gives one of several objects for one of several patterns', () => {
    expectTypeOf<ParamsOf<'/a/:x' | '/b/:y'>>().toEqualTypeOf<
      { readonly x: string } | { readonly y: string }
    >();
    expectTypeOf<ParamsOf<never>>().toEqualTypeOf<never>();
    expect(paramsOf<'/a/:x' | '/b/:y'>('/b/:y', '/b/1')).toEqual({ y: '1' });
  });

  it('gives what Params takes', () => {
    expectTypeOf<ParamsOf<'/chat/:room/*'>>().toExtend<Params>();
    expectTypeOf(paramsOf('/chat', '/chat')).toExtend<Params>();
    expectTypeOf(new RoutePattern('/chat').match('/chat')).toEqualTypeOf<Params | null>();
    const params: Params = paramsOf('/chat/:room', '/chat/7');
    expect(params['room']).toBe('7');
  });

  it('holds for a pattern of many segments', () => {
    type Ten = '/a/b/c/d/e/f/g/h/i/j';
    type Long = `${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}/:last`;
    expectTypeOf<ParamsOf<Long>>().toEqualTypeOf<{ readonly last: string }>();
    const ten: Ten = '/a/b/c/d/e/f/g/h/i/j';
    expect(paramsOf(`${ten.repeat(10)}/:last`, `${ten.repeat(10)}/1`)).toEqual({ last: '1' });
  });
});
