import { openLeaseStore } from './lease-store.ts'

// Stands for an office and says when it leads and when it has stopped; leaves on SIGTERM.
const [url = '', office = ''] = process.argv.slice(2)
const store = await openLeaseStore(url)
// Nothing else keeps it while the server is away.
process.stdin.resume()
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await store.leadership('child').campaign({
  office,
  signal: stop.signal,
  lead: (signal) =>
    new Promise((resolve) => {
      process.stdout.write('leads\n')
      const end = (): void => {
        process.stdout.write('stopped\n')
        resolve()
      }
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    }),
})
process.exit(0)
