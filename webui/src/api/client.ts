import { t } from '../texts';
import { session } from './session';

/** What went wrong, in words for the person at the page. */
export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer at all
    readonly what: string,
    readonly next: string,
    readonly code = '',
  ) {
    super(next ? `${what} ${next}` : what);
    this.name = 'ApiError';
  }
}

interface Failure {
  error?: string;
  error_description?: string;
  info?: string;
  errors?: string[];
}

/** Says what an answer that is an error means and what to do next. */
export function explain(status: number, body: Failure): ApiError {
  const said = sentence(body.error_description ?? body.error ?? body.errors?.join(' ') ?? '');
  const code = body.error ?? '';
  switch (status) {
    case 401:
      return new ApiError(status, t.errors.loggedOut, t.errors.loggedOutNext, code);
    case 403:
      return new ApiError(status, said || t.errors.forbidden, body.info ? sentence(body.info) : said ? '' : t.errors.forbiddenNext, code);
    case 408:
      return new ApiError(status, t.errors.noAnswer, t.errors.noAnswerNext, code);
    case 429:
      return new ApiError(status, said || t.errors.tooMany, t.errors.tooManyNext, code);
    case 503:
      return new ApiError(status, said || t.errors.stopping, t.errors.stoppingNext, code);
    case 507:
      return new ApiError(status, said || t.errors.full, t.errors.fullNext, code);
  }
  const info = body.info ? sentence(body.info) : '';
  if (status >= 500) return new ApiError(status, said || t.errors.server(status), info || t.errors.serverNext, code);
  return new ApiError(status, said || t.errors.refused(status), info, code);
}

function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return '';
  const upper = trimmed[0]!.toUpperCase() + trimmed.slice(1);
  return /[.!?:]$/.test(upper) ? upper : upper + '.';
}

/** Turns whatever was thrown into something that can be shown. */
export function asError(err: unknown): ApiError {
  if (err instanceof ApiError) return err;
  if (err instanceof TypeError) return new ApiError(0, t.errors.unreachable, t.errors.unreachableNext);
  return new ApiError(0, String(err instanceof Error ? err.message : err), '');
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Options {
  body?: unknown;
  signal?: AbortSignal;
}

/** Asks the cloud. Throws an ApiError, or an AbortError when the signal said so. */
export async function api<T>(method: Method, path: string, { body, signal }: Options = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...session.headers(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
    });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new ApiError(0, t.errors.unreachable, t.errors.unreachableNext);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer as T;
  if (response.status === 401) session.lost();
  throw explain(response.status, answer as Failure);
}

/** Writes a path, each part encoded. */
export function path(...parts: string[]): string {
  return '/v1/' + parts.map(encodeURIComponent).join('/');
}
