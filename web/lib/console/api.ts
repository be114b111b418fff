/** The console's questions to the gateway, through the one door, typed by the gateway's own API document. */

import type { components, paths } from "@/lib/gateway-types";

export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

type Method = "get" | "post" | "put";
type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;
type Success<O> = O extends { responses: infer R } ? Json<R[Extract<keyof R, 200 | 201>]> : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
export type AdminPath<M extends Method> = Extract<PathsWith<M>, `/v1/admin/${string}`>;
export type Reply<M extends Method, P extends AdminPath<M>> = Success<paths[P][M]>;

export type Parameters = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** A question that was not answered: `status` is the gateway's, or the door's own 502 and 504. */
export class ConsoleError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ConsoleError";
  }

  get isLoggedOut(): boolean {
    return this.status === 401;
  }

  /** Nothing is known to be wrong with the question: the gateway was not there to answer it. */
  get isOutage(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export function read<P extends AdminPath<"get">>(path: P, parameters: Parameters = {}): Promise<Reply<"get", P>> {
  return ask("GET", path, parameters, undefined);
}

export function post<P extends AdminPath<"post">>(path: P, parameters: Parameters, body: Body<paths[P]["post"]>): Promise<Reply<"post", P>> {
  return ask("POST", path, parameters, body);
}

export function put<P extends AdminPath<"put">>(path: P, parameters: Parameters, body: Body<paths[P]["put"]>): Promise<Reply<"put", P>> {
  return ask("PUT", path, parameters, body);
}

async function ask<T>(method: string, path: string, parameters: Parameters, body: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(doorAddress(path, parameters), {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  } catch (error) {
    throw new ConsoleError(0, `The console's own server cannot be reached: ${String(error)}`);
  }
  if (!response.ok) throw new ConsoleError(response.status, await complaint(response));
  return (await response.json()) as T;
}

/** The door's address of an operator path: `{name}` parts come from the parameters, the rest is the query. */
export function doorAddress(path: string, parameters: Parameters): string {
  const rest = new Map(Object.entries(parameters));
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest.get(name);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams();
  for (const [name, value] of rest) if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const text = query.toString();
  return filled.replace("/v1/admin", "/api/console") + (text ? `?${text}` : "");
}

/** What a problem document says, in one line. */
async function complaint(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { title?: string; detail?: string; errors?: { name?: string; detail?: string; reason?: string }[] };
    const parts = problem.errors?.map((error) => [error.name, error.detail ?? error.reason].filter(Boolean).join(": "));
    return [problem.title, problem.detail, ...(parts ?? [])].filter(Boolean).join(" ") || `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}
