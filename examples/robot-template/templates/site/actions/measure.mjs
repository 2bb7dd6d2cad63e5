// Asks for a path of the page's site several times, and says how long the answers took.
import { json } from 'node:stream/consumers'

const { args, data, task } = await json(process.stdin)
const url = new URL(args.path, data.url)
const headers = data.token === undefined ? {} : { authorization: `Bearer ${data.token}` }

const took = []
try {
  for (let n = 1; n <= args.times; n++) {
    const began = performance.now()
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(data.timeout * 1000) })
    await answer.arrayBuffer()
    took.push(performance.now() - began)
    console.error(`${n} of ${args.times}: ${answer.status}`)
  }
  took.sort((a, b) => a - b)
  const median = took[Math.floor(took.length / 2)]
  console.log(JSON.stringify({ result: { times: took.length, medianMs: Math.round(median) } }))
} catch (error) {
  // The manifest says that this class of failure is tried again.
  const message = `${url} did not answer, try ${task.attempt} of ${task.tries}: ${error.message}`
  console.log(JSON.stringify({ error: { message, class: 'ConnectionError' } }))
  process.exitCode = 1
}
