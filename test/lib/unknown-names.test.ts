import { expect, test } from 'vitest'
import { unknownNames } from '../../src/lib/unknown-names.ts'

const known = ['PORT', 'LOG_LEVEL', 'WORKER_CONCURRENCY', 'CRAWLING_HITS', 'KAFKA_BROKERS', 'INTENDANT_URL']
const prefixes = ['CRAWLING_', 'KAFKA_', 'INTENDANT_']

test.each([
  ['CRAWLING_HITTS', 'CRAWLING_HITTS is not a setting and has no effect; did you mean CRAWLING_HITS?'],
  ['KAFKA_BROKER', 'KAFKA_BROKER is not a setting and has no effect; did you mean KAFKA_BROKERS?'],
  ['WORKER_CONCURENCY', 'WORKER_CONCURENCY is not a setting and has no effect; did you mean WORKER_CONCURRENCY?'],
  ['CRAWLING_COLOUR_OF_PAGES', 'CRAWLING_COLOUR_OF_PAGES is not a setting and has no effect'],
  ['INTENDANT_PASSWORD', 'INTENDANT_PASSWORD is not a setting and has no effect'],
])('%s is named', (name, sentence) => expect(unknownNames([name], { known, prefixes })).toEqual([sentence]))

test.each([
  ...known,
  'PATH',
  'HOME',
  'SPORT',
  'KAFKA_HOME',
  'KAFKA_HEAP_OPTS',
  'KAFKA_PORT',
  'KAFKA_SERVICE_HOST',
  'KAFKA_PORT_9092_TCP_ADDR',
  'INTENDANT_SERVICE_PORT_HTTP',
])('%s is left alone', (name) => expect(unknownNames([name], { known, prefixes })).toEqual([]))
