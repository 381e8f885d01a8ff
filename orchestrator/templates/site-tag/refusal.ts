/** Why a lead was not taken. `retryable`: the same may be taken later. */
export class Refusal extends Error {
  readonly status: number;
  readonly retryAfter: string | undefined;

  constructor(status: number, message: string, retryAfter?: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get retryable(): boolean {
    return this.status >= 500;
  }

  toResponse(): Response {
    const { status, message: detail, retryable, retryAfter } = this;
    return Response.json(
      { type: 'about:blank', title: 'the lead was not taken', status, detail, retryable },
      {
        status,
        headers: {
          'content-type': 'application/problem+json',
          ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
        },
      },
    );
  }
}
