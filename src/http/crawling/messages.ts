/** The literal texts of this face. Source: crawling contract, section 1. */
export const messages = {
  notJson: 'The payload must be valid JSON.',
  notInSchema: 'JSON did not validate against schema.',
  noEndpoint: 'The desired endpoint does not exist',
  noPollId: 'Could not find matching poll_id',
  noKafka: 'Unable to connect to Kafka',
  noRedis: 'Unable to connect to Redis',
  unparseable: 'Unparseable JSON Received from redis',
  unknown: 'An error occurred while processing your request.',
  // The original has no words for these: it knows no credentials, no limits, and answers 405 with a page of its framework.
  methodNotAllowed: 'The method is not allowed for the requested URL.',
  tooLarge: 'The request is too large to be recorded.',
  unauthenticated: 'Credentials are missing or wrong.',
  forbidden: 'The credentials do not allow this.',
} as const
