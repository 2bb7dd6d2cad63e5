import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LastingProgram, Processes, Program } from '../../src/workers/processes/processes.ts'
import { temporaryDirectory } from '../stores/temporary.ts'

const patience = { timeout: 20_000, interval: 10 }
const shell = (script: string, ...words: readonly string[]): string[] => ['sh', '-c', script, 'sh', ...words]

/** Collects what a program writes, and tells of its lines while it runs. */
const collecting = () => {
  const chunks: Buffer[] = []
  const waiting: { readonly line: string; readonly resolve: () => void }[] = []
  const text = (): string => Buffer.concat(chunks).toString()
  return {
    bytes: () => Buffer.concat(chunks),
    text,
    take: async (stream: Readable): Promise<void> => {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        for (const { line, resolve } of waiting) if (text().includes(line)) resolve()
      }
    },
    until: (line: string): Promise<void> =>
      new Promise((resolve) => {
        if (text().includes(line)) resolve()
        else waiting.push({ line, resolve })
      }),
  }
}

/** Whether a process runs: one that has ended and was not asked for its outcome does not. */
export const runs = (pid: number): boolean => {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const openSockets = (): number =>
  readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return /^(socket|pipe):/.test(readlinkSync(`/proc/self/fd/${descriptor}`))
    } catch {
      return false
    }
  }).length

const zombies = (): readonly string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return state === 'Z' && Number(parent) === process.pid
    } catch {
      return false
    }
  })

/** What everything that runs programs promises. `open` gives one that keeps its folders in `directory`. */
export const processesContract = (
  name: string,
  open: (options: { readonly directory: string; readonly graceMs: number; readonly atOnce?: number }) => Processes,
): void => {
  describe(`${name} as processes`, () => {
    let count = 0
    const opened = (more: { readonly graceMs?: number; readonly atOnce?: number } = {}) => {
      const directory = join(temporaryDirectory(), 'programs')
      const processes = open({ directory, graceMs: 10_000, ...more })
      onTestFinished(() => processes.stop())
      const start = (argv: readonly string[], program: Partial<Program> = {}) => {
        const stdout = collecting()
        const stderr = collecting()
        const ended = processes.run({
          name: `program-${count++}`,
          argv,
          base: '/',
          signal: new AbortController().signal,
          stdout: stdout.take,
          stderr: stderr.take,
          ...program,
        })
        ended.catch(() => undefined)
        return { stdout, stderr, ended }
      }
      return { directory, processes, start }
    }

    test('gives a program its words as they are, and its input; keeps what it writes apart', async () => {
      const words = ['a b', '$(touch x); *', '"', 'é\n', '']
      const { stdout, stderr, ended } = opened().start(shell('cat; printf "<%s>" "$@" >&2; exit 7', ...words), {
        stdin: '{"a":1}',
      })
      expect(await ended).toMatchObject({ code: 7, signal: null, isTimedOut: false, droppedBytes: 0 })
      expect(stdout.text()).toBe('{"a":1}')
      expect(stderr.text()).toBe(words.map((word) => `<${word}>`).join(''))
    })

    test('starts it with a clean environment in an empty folder, which is gone afterwards', async () => {
      const { directory, start } = opened()
      const { stdout, ended } = start(['env'], { environment: { NAME: 'a value', PATH: '/usr/bin:/bin' } })
      await ended
      const lines = stdout.text().trim().split('\n').sort()
      const home = lines[0]?.slice('HOME='.length) ?? ''
      expect(lines).toEqual([
        expect.stringMatching(/^HOME=\//),
        'LANG=C.UTF-8',
        'NAME=a value',
        'PATH=/usr/bin:/bin',
        expect.stringMatching(/^TMPDIR=\//),
      ])
      expect(home.startsWith(directory)).toBe(true)

      const other = start(shell('ls -A; pwd; touch left "$HOME/left" "$TMPDIR/left"; ls'))
      await other.ended
      expect(other.stdout.text()).toMatch(/^\/.*\nleft\n$/)
      expect(readdirSync(directory)).toEqual([])
    })

    test('lets nothing of this process leak into it', async () => {
      const { stdout, ended } = opened().start(shell('test -e /proc/$$/fd/3 && echo leaked; set'))
      await ended
      expect(stdout.text()).not.toMatch(/leaked|SHLVL|OLDPWD/)
    })

    test('takes a program relative to a folder, and looks names up in PATH', async () => {
      const { start } = opened()
      const relative = start(['./sh', '-c', 'echo $0'], { base: '/bin' })
      expect(await relative.ended).toMatchObject({ code: 0 })
      expect(await start(['true']).ended).toMatchObject({ code: 0 })
    })

    test.each([
      ['a name that is nowhere', ['no-such-program']],
      ['a path that is not there', ['/no/such/program']],
      ['a folder', ['/usr']],
      ['a file that may not be executed', ['/etc/passwd']],
    ])('refuses %s', async (_, argv) => {
      await expect(opened().start(argv).ended).rejects.toMatchObject({ name: 'CannotStart' })
    })

    test('refuses a script whose interpreter is missing', async () => {
      const { start } = opened()
      await expect(
        start(['./script'], {
          base: join(temporaryDirectory(), 'a'),
          prepare: async () => undefined,
        }).ended,
      ).rejects.toMatchObject({ name: 'CannotStart' })
      const directory = temporaryDirectory()
      const made = start(shell('printf "#!/no/such/interpreter\\n" > script; chmod +x script'), { directory })
      await made.ended
      await expect(start(['./script'], { base: directory }).ended).rejects.toMatchObject({ name: 'CannotStart' })
    })

    test('tells the signal that ended it', async () => {
      expect(await opened().start(shell('kill -9 $$')).ended).toMatchObject({ code: null, signal: 'SIGKILL' })
    })

    test('ends what a program leaves behind in its group', async () => {
      const { start } = opened({ graceMs: 200 })
      const { stdout, ended } = start(
        shell('sleep 1000 & (trap "" TERM; echo deaf; sleep 1000; sleep 1000) & echo $!; sleep 0.1; exit 0'),
      )
      expect(await ended).toMatchObject({ code: 0 })
      const pid = Number(/\d+/.exec(stdout.text())?.[0])
      expect(pid).toBeGreaterThan(0)
      expect(runs(pid)).toBe(false)
    })

    test('ends a program and its children with TERM when it is told to', async () => {
      const { start } = opened()
      const stopping = new AbortController()
      const { stdout, ended } = start(shell('trap "echo bye; exit 0" TERM; sleep 1000 & echo $!; echo ready; wait'), {
        signal: stopping.signal,
      })
      await stdout.until('ready')
      stopping.abort(new Error('enough'))
      await expect(ended).rejects.toThrow('enough')
      expect(stdout.text()).toMatch(/bye\n$/)
      expect(runs(Number.parseInt(stdout.text(), 10))).toBe(false)
    })

    test('kills a program that ignores TERM after the grace', async () => {
      const { start } = opened({ graceMs: 100 })
      const stopping = new AbortController()
      const { stdout, ended } = start(shell('trap "" TERM; echo $$; while :; do sleep 1; done'), { signal: stopping.signal })
      await stdout.until('\n')
      stopping.abort(new Error('enough'))
      await expect(ended).rejects.toThrow('enough')
      expect(runs(Number(stdout.text()))).toBe(false)
    })

    test('starts nothing where it was told to stop before', async () => {
      const { directory, start } = opened()
      await expect(start(['true'], { signal: AbortSignal.abort(new Error('enough')) }).ended).rejects.toThrow('enough')
      expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([])
    })

    test('ends a program after its time', async () => {
      const { ended } = opened().start(['sleep', '1000'], { timeoutMs: 50 })
      expect(await ended).toMatchObject({ signal: 'SIGTERM', isTimedOut: true })
    })

    test('ends a program whose output cannot be taken', async () => {
      const refusing = async (stream: Readable): Promise<void> => {
        for await (const _ of stream) throw new Error('no room')
      }
      await expect(opened().start(shell('echo; sleep 1000'), { stdout: refusing }).ended).rejects.toThrow('no room')
    })

    test('waits for a program that closes its pipes and goes on', async () => {
      const directory = temporaryDirectory()
      const { ended } = opened().start(shell('exec <&- >&- 2>&-; sleep 0.3; touch done'), { directory })
      expect(await ended).toMatchObject({ code: 0 })
      expect(existsSync(join(directory, 'done'))).toBe(true)
    })

    test('ends nothing of a program whose folder has a longer name', async () => {
      const { start } = opened()
      const directory = temporaryDirectory()
      const long = start(shell('echo here; until test -e go; do sleep 0.02; done'), { name: 'target-10', directory })
      await long.stdout.until('here')
      await start(['true'], { name: 'target-1' }).ended
      writeFileSync(join(directory, 'go'), '')
      expect(await long.ended).toMatchObject({ code: 0 })
    })

    test('ends what left the group, deaf and talking', async () => {
      const { stdout, ended } = opened({ graceMs: 200 }).start(
        shell(
          'setsid sh -c "trap : TERM; touch out; while :; do echo on; sleep 0.05; done" & until test -e out; do sleep 0.02; done; echo $!; sleep 0.2',
        ),
      )
      expect(await ended).toMatchObject({ code: 0 })
      expect(stdout.text()).toContain('on')
      const pid = Number(/\d+/.exec(stdout.text())?.[0])
      expect(pid).toBeGreaterThan(0)
      expect(runs(pid)).toBe(false)
    })

    test('does not wait for a process outside of the group, without the environment of the program, that holds the pipes', async () => {
      const { stdout, ended } = opened().start(
        shell('env -i setsid sleep 30 & until grep -q sleep /proc/$!/comm; do sleep 0.02; done; echo $!'),
      )
      expect(await ended).toMatchObject({ code: 0 })
      const pid = Number(stdout.text())
      expect(runs(pid)).toBe(true)
      process.kill(pid, 'SIGKILL')
    })

    test('passes a gibibyte on in constant memory, and drops what is too much', async () => {
      const gibibyte = 1024 ** 3
      let taken = 0
      let most = 0
      const before = process.memoryUsage.rss()
      const count = async (stream: Readable): Promise<void> => {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          taken += chunk.length
          most = Math.max(most, process.memoryUsage.rss() - before)
        }
      }
      const { start } = opened()
      const all = start(['head', '-c', String(gibibyte), '/dev/zero'], { stdout: count })
      expect(await all.ended).toMatchObject({ code: 0, droppedBytes: 0 })
      expect(taken).toBe(gibibyte)
      const cut = start(['head', '-c', '1000000', '/dev/zero'], { mostBytes: 1000 })
      expect(await cut.ended).toMatchObject({ code: 0, droppedBytes: 999_000 })
      expect(cut.stdout.bytes()).toHaveLength(1000)
      expect(most).toBeLessThan(gibibyte / 8)
    }, 60_000)

    test('runs so many at once, and the others afterwards', async () => {
      const { start } = opened({ atOnce: 2 })
      const directory = temporaryDirectory()
      const all = [1, 2, 3, 4, 5].map(() => start(shell('touch "$$"; ls | wc -l; sleep 0.05; rm "$$"'), { directory }))
      await Promise.all(all.map(({ ended }) => ended))
      const seen = all.map(({ stdout }) => Number(stdout.text()))
      expect(Math.max(...seen)).toBeLessThanOrEqual(2)
    })

    test('leaves no zombie and no descriptor', async () => {
      const { start } = opened()
      await start(['true']).ended
      const before = openSockets()
      await Promise.all(Array.from({ length: 30 }, () => start(shell('echo out; echo err >&2; cat'), { stdin: 'in' }).ended))
      await expect.poll(openSockets, patience).toBe(before)
      await expect.poll(zombies, patience).toEqual([])
    })

    describe('a lasting program', () => {
      const lasting = (script: string, more: Partial<LastingProgram> = {}) => {
        const { directory, processes } = opened({ graceMs: 200 })
        const files = temporaryDirectory()
        const program = {
          name: 'lasting',
          argv: shell(script),
          base: '/',
          signal: new AbortController().signal,
          stdoutFile: join(files, 'stdout'),
          stderrFile: join(files, 'stderr'),
          ...more,
        }
        return { directory, processes, program, files }
      }

      test('writes into files, and its end is told until it is forgotten', async () => {
        const { directory, processes, program, files } = lasting('cat; echo err >&2; exit 7', { stdin: 'in' })
        expect(await processes.runLasting(program)).toEqual({ code: 7, signal: null })
        expect(await processes.runLasting(program)).toEqual({ code: 7, signal: null })
        expect(readFileSync(join(files, 'stdout'), 'utf8')).toBe('in')
        expect(readFileSync(join(files, 'stderr'), 'utf8')).toBe('err\n')
        await processes.forgetLasting('lasting')
        expect(readdirSync(directory)).toEqual([])
      })

      test('tells the signal that ended it', async () => {
        const { processes, program } = lasting('kill -9 $$')
        expect(await processes.runLasting(program)).toEqual({ code: null, signal: 'SIGKILL' })
      })

      test('is ended by its signal', async () => {
        const stopping = new AbortController()
        const { processes, program, files } = lasting('trap "" TERM; echo $$; while :; do sleep 1; done', {
          signal: stopping.signal,
        })
        const ended = processes.runLasting(program)
        ended.catch(() => undefined)
        const stdout = (): string => (existsSync(join(files, 'stdout')) ? readFileSync(join(files, 'stdout'), 'utf8') : '')
        await expect.poll(stdout, patience).toMatch(/\n/)
        stopping.abort(new Error('enough'))
        await expect(ended).rejects.toThrow('enough')
        expect(runs(Number(stdout()))).toBe(false)
      })
    })

    test('ends everything at a stop, and starts nothing any more', async () => {
      const { directory, processes, start } = opened()
      const { stdout, ended } = start(shell('trap "" TERM; echo $$; while :; do sleep 1; done'))
      await stdout.until('\n')
      await processes.stop()
      expect(runs(Number(stdout.text()))).toBe(false)
      expect(await ended).toMatchObject({ signal: 'SIGKILL' })
      await expect(start(['true']).ended).rejects.toMatchObject({ name: 'Unavailable' })
      expect(readdirSync(directory)).toEqual([])
    })
  })
}
