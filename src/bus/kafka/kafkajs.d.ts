/** A part of kafkajs that it has no types for: what idle-request-queue.ts changes, and what its test asks. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    constructor(connection: object)
    readonly pending: readonly unknown[]
    push(request: object): void
    fulfillRequest(response: object): void
    maybeThrottle(ms: number): void
    checkPendingRequests(): void
    scheduleCheckPendingRequests(): void
  }
  export = RequestQueue
}
