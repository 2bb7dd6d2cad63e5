import type { CrawlingFaceSettings } from '../src/app/faces/crawling.ts'
import type { Config } from '../src/config.ts'

/** What the environment says of the crawling face. */
export const crawlingSettingsOf = ({ faces }: Config): CrawlingFaceSettings =>
  faces.find(({ module }) => module.name === 'crawling')?.settings as CrawlingFaceSettings
