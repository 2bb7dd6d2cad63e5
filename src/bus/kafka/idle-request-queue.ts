import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

/*
 * The request queue of kafkajs looks every millisecond whether something waits in it, for as long as the connection lives: it asks for a timer
 * at "not throttled" minus now, and again when that fires. Each connection took about 1 % of a core, and Node 24 warned of the negative
 * time. Only a queue in which something waits has to be looked at; every later request looks for itself.
 */
const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleWherePending() {
  if (this.pending.length > 0) schedule.call(this)
}
