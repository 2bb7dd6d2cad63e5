/** Texts that the contract fixes. Source: robot contract, section 3.2. */
export const messages = {
  badBody: 'bad request body',
  unauthorized: 'Unauthorized Access',
  noRights: "you are trying to schedule action on some services on which you don't have rights.",
  internal: 'internal error',
  gitMissing: 'git is not installed',
  noGodMode: 'god mode is not enabled on the service, you cannot read the logs',
  malformedUidInKey: 'Template uid not valid',
  malformedKey: (key: string) =>
    `Key for service creation is not right format, needs to be '$template__$instance', found:'${key}'`,
  malformedName: (name: string) => `Service name should be digits or alphanumeric. you passed [${name}]`,
  noAction: 'need to specify action key in action block',
  serviceNotFound: (guid: string) => `service with guid '${guid}' not found`,
  taskNotFound: (guid: string) => `task with guid '${guid}' not found`,
  templateNotFound: (text: string) => `template '${text}' not found`,
  malformedUid: (text: string) => `format of the template uid (${text}) not valid`,
  nameTaken: (name: string) => `a service with name '${name}' already exists`,
  ambiguous: (name: string) =>
    `template with name '${name}' is confusing, can't select template based only on its name, please use full UID`,
  invalidData: (pointer: string, reason: string) =>
    ['data does not match the schema:', pointer, reason].filter(Boolean).join(' '),
  otherTemplate: (own: string, other: string) =>
    `a service of the template '${own}' cannot be upgraded to '${other}', which is another template`,
  notCreated: (name: string, uid: string, why: string) => `fail to create service ${name} ${uid}: ${why}`,
} as const
