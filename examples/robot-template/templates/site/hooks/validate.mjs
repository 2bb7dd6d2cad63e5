// Refuses a service without an address over http; the last line of stderr is the reason.
import { json } from 'node:stream/consumers'

const { data } = await json(process.stdin)
if (!URL.canParse(data.url) || !/^https?:$/.test(new URL(data.url).protocol)) {
  console.error(`the url ${data.url} is not an address over http or https`)
  process.exitCode = 1
}
