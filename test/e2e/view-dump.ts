import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pino } from 'pino'
import { faces, projectionsOf } from '../../src/app/faces.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createProjections } from '../../src/projections/engine/projection-engine.ts'
import { openEmbeddedLog } from '../../src/stores/embedded/log.ts'

/** Every row of every table of every view in a folder, without the engine's own bookkeeping. */
export const dumpViews = (directory: string): Record<string, unknown[]> => {
  const dump: Record<string, unknown[]> = {}
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.db'))) {
    const db = new DatabaseSync(join(directory, file), { readOnly: true })
    const view = projectionsOf(faces).find(({ name, version }) => file.startsWith(`${name}-v${version}-`))?.name ?? file
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
      .all()
    for (const { name } of tables) {
      if (name === '_checkpoint') continue
      const columns = db.prepare(`SELECT name FROM pragma_table_info(?)`).all(String(name))
      const order = columns.map((_, index) => index + 1).join(', ')
      dump[`${view}.${name}`] = db.prepare(`SELECT * FROM "${name}" ORDER BY ${order}`).all()
    }
    db.close()
  }
  return dump
}

/** Makes every view again from an existing log, into another folder. */
export const rebuildViews = async (logFile: string, directory: string): Promise<void> => {
  const logger = pino({ level: 'silent' })
  const log = await openEmbeddedLog({ path: logFile, clock: systemClock })
  const projections = createProjections({ log, directory, projections: projectionsOf(faces), clock: systemClock, logger })
  await projections.start()
  await projections.stop()
  await log.close()
}
