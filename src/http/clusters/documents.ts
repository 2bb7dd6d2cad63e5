import { z } from 'zod'
import { changes } from '../../commands/clusters/change.ts'
import type { JsonValue } from '../../lib/json.ts'
import type { DocumentedReply, DocumentedRoute } from '../faces/native-route.ts'
import { problems } from '../v1/schemas.ts'
import { ClusterBody } from './clusters.ts'
import { ManagerBody } from './container-managers.ts'
import { HostStatusRecord } from './host-status.ts'
import { NetworkBody } from './networks.ts'
import { DeployBody } from './put-change.ts'
import { HostBody, OwnHostBody } from './put-host.ts'
import {
  ChangeRecords,
  ClusterRecord,
  ClusterWithHosts,
  ClusterWithHostset,
  HostCredentials,
  HostRecord,
  ManagerRecord,
  NetworkRecord,
} from './records.ts'
import { HostsBody } from './replace-hosts.ts'

export const clustersTag = 'Clusters (Commissaire)'

/** Errors by status: the body is the reason phrase alone. */
export const clustersErrors = (statuses: Readonly<Record<number, string>>): Record<string, DocumentedReply> =>
  Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [status, { description, type: 'text/html', schema: z.string() }]),
  )

/** What any route of this face may answer, beside its own. */
const usualErrors = (scope: 'clusters:read' | 'clusters:write') => ({
  ...clustersErrors({
    400: 'A header or the moment that is asked for is malformed',
    403: `The scope ${scope} is missing, credentials are missing or wrong, or a foreign page asked`,
    421: 'The server without credentials was reached under a name that is not its own',
    500: 'Internal failure',
    503: 'The server starts or goes down, or the views of the moment are not there yet',
  }),
  ...problems({ 431: 'The headers are too large' }),
})

const usualWriteErrors = {
  ...usualErrors('clusters:write'),
  ...clustersErrors({
    400: 'The body is not a JSON object, or a member of it has another type',
    408: 'The body took too long to arrive',
    409: 'The same Idempotency-Key is being processed right now',
    413: 'The body is too large',
    422: 'The Idempotency-Key was used for a different request',
  }),
}

const pastHeader = { 'As-Of': 'The moment to answer as of: a position, a time (RFC 3339) or the id of an event' }
const keyHeader = {
  'Idempotency-Key': '1 to 255 visible characters; the same request with the same key is answered once and again',
}

type Part = Pick<DocumentedRoute, 'path' | 'summary'> & Partial<Pick<DocumentedRoute, 'description' | 'params'>>

/** A `GET` of this face; `errors` are those of its own. */
export const reading = (
  { path, ...route }: Part,
  schema: z.ZodType,
  errors: Readonly<Record<number, string>> = {},
): DocumentedRoute => ({
  method: 'get',
  path: `/api/v0${path}`,
  tag: clustersTag,
  headers: pastHeader,
  ...route,
  answers: { ...usualErrors('clusters:read'), ...clustersErrors(errors), 200: { description: 'What is known', schema } },
})

/** A `PUT` of this face. `done` is what it answers, with 201 unless `status` says otherwise. */
export const putting = (
  {
    path,
    body,
    examples,
    status = 201,
    ...route
  }: Part & {
    readonly body?: z.ZodType
    readonly examples?: Readonly<Record<string, JsonValue>>
    readonly status?: 200 | 201
  },
  done: z.ZodType,
  errors: Readonly<Record<number, string>> = {},
): DocumentedRoute => ({
  method: 'put',
  path: `/api/v0${path}`,
  tag: clustersTag,
  headers: keyHeader,
  ...route,
  ...(body === undefined ? {} : { body, optionalBody: true, examples: examples ?? { Nothing: {} } }),
  answers: { ...usualWriteErrors, ...clustersErrors(errors), [status]: { description: 'Done', schema: done } },
})

/** A `DELETE` of this face. */
export const deleting = ({ path, ...route }: Part, errors: Readonly<Record<number, string>>): DocumentedRoute => ({
  method: 'delete',
  path: `/api/v0${path}`,
  tag: clustersTag,
  headers: keyHeader,
  ...route,
  answers: {
    ...usualWriteErrors,
    ...clustersErrors(errors),
    200: { description: 'It is gone', schema: z.array(z.string()).max(0), example: [] },
  },
})

export const clusterParams = { name: 'web' }
export const hostParams = { address: '127.0.0.1' }
const Names = z.array(z.string())
const memberParams = { ...clusterParams, host: '127.0.0.1' }
const noCluster = { 404: 'There is no such cluster' }

const changeErrors = { ...noCluster, 409: 'Another change of the cluster has not ended' }
const changeDescription = 'The first host that fails ends it. The same one that runs already is answered as it is.'

export const clustersDocuments: readonly DocumentedRoute[] = [
  reading({ path: '/clusters', summary: 'Names of clusters' }, Names),
  reading({ path: '/cluster', summary: 'The same under the path of the original documentation' }, Names),
  reading({ path: '/cluster/{name}', summary: 'A cluster', params: clusterParams }, ClusterWithHosts, noCluster),
  putting(
    {
      path: '/cluster/{name}',
      summary: 'Create a cluster, or change what is given',
      description: 'An unknown network is replaced by `default`. Members stay.',
      params: clusterParams,
      body: ClusterBody,
      examples: { 'In the default network': { network: 'default' } },
    },
    ClusterRecord,
  ),
  deleting(
    {
      path: '/cluster/{name}',
      summary: 'Delete a cluster',
      description: 'The nodes of its members are removed from their container manager first. Its hosts stay.',
      params: clusterParams,
    },
    { ...noCluster, 500: 'The container manager refuses; the cluster stays' },
  ),
  reading({ path: '/cluster/{name}/hosts', summary: 'Addresses of its hosts', params: clusterParams }, Names, noCluster),
  reading(
    {
      path: '/cluster/{name}/hosts/{host}',
      summary: 'Whether a host is its member',
      params: memberParams,
    },
    Names,
    { 404: 'There is no such cluster, or the host is not its member' },
  ),
  putting(
    {
      path: '/cluster/{name}/hosts',
      summary: 'Replace its hosts',
      description:
        'Hosts leave first, then others are registered at the container manager and join, in the order of `new`. The first one that is refused ends it; a repetition with the new `old` goes on.',
      params: clusterParams,
      body: HostsBody,
      examples: { 'None before, one now': { old: [], new: ['127.0.0.1'] } },
      status: 200,
    },
    ClusterWithHostset,
    {
      404: 'There is no such cluster, or no such host',
      405: 'A host is not ready to join',
      409: '`old` is not what its hosts are, they are being replaced, or a host is in another cluster',
      500: 'The container manager refuses a host, or takes longer than 10 s',
    },
  ),
  putting(
    {
      path: '/cluster/{name}/hosts/{host}',
      summary: 'Add a host',
      params: memberParams,
      status: 200,
    },
    Names,
    {
      404: 'There is no such cluster, or no such host',
      405: 'The host is not ready to join',
      409: 'The host is in another cluster',
      500: 'The container manager refuses the host, or takes longer than 10 s',
    },
  ),
  deleting({ path: '/cluster/{name}/hosts/{host}', summary: 'Remove a host', params: memberParams }, noCluster),
  ...changes.map((change) =>
    reading(
      { path: `/cluster/{name}/${change}`, summary: `Its latest ${change}`, params: clusterParams },
      ChangeRecords[change],
      { 404: 'There is no such cluster, or it has had none' },
    ),
  ),
  putting(
    {
      path: '/cluster/{name}/deploy',
      summary: 'Deploy a version on its hosts, one after the other',
      description: `${changeDescription} Hosts whose system has packages have nothing to do.`,
      params: clusterParams,
      body: DeployBody,
      examples: { 'A version': { version: '7.2.6' } },
    },
    ChangeRecords.deploy,
    { ...changeErrors, 400: '`version` is not a text with at least one character' },
  ),
  putting(
    {
      path: '/cluster/{name}/upgrade',
      summary: 'Upgrade its hosts, one after the other',
      description: changeDescription,
      params: clusterParams,
    },
    ChangeRecords.upgrade,
    changeErrors,
  ),
  putting(
    {
      path: '/cluster/{name}/restart',
      summary: 'Restart its hosts, one after the other',
      description: `${changeDescription} A host is back when it lets us in with another boot id.`,
      params: clusterParams,
    },
    ChangeRecords.restart,
    changeErrors,
  ),
  reading({ path: '/hosts', summary: 'Hosts' }, z.array(HostRecord)),
  reading({ path: '/host/{address}', summary: 'A host', params: hostParams }, HostRecord, { 404: 'There is no such host' }),
  deleting(
    { path: '/host/{address}', summary: 'Delete a host, and forget its key for good', params: hostParams },
    { 404: 'There is no such host' },
  ),
  reading({ path: '/host/{address}/status', summary: 'How a host is, and its node', params: hostParams }, HostStatusRecord, {
    404: 'There is no such host',
  }),
  reading(
    { path: '/host/{address}/creds', summary: 'How it is reached. Who asks is recorded', params: hostParams },
    HostCredentials,
    { 404: 'There is no such host' },
  ),
  putting(
    {
      path: '/host/{address}',
      summary: 'Register a host',
      description: 'It is looked at and prepared at once; the same request for a host that has failed begins that again.',
      params: hostParams,
      body: HostBody,
      examples: { 'Without a key, which fails': {} },
    },
    HostRecord,
    { 409: 'The cluster does not exist, or the host exists with another key or cluster' },
  ),
  putting(
    {
      path: '/host',
      summary: 'Register the machine that asks, or the one at `address`',
      body: OwnHostBody,
      examples: { 'Without a key, which fails': { address: '127.0.0.1' } },
    },
    HostRecord,
    { 409: 'The cluster does not exist, or the host exists with another key or cluster' },
  ),
  reading({ path: '/networks', summary: 'Names of networks' }, Names),
  reading({ path: '/network/{name}', summary: 'A network', params: { name: 'default' } }, NetworkRecord, {
    404: 'There is no such network',
  }),
  putting(
    {
      path: '/network/{name}',
      summary: 'Create a network',
      params: { name: 'flannel' },
      body: NetworkBody,
      examples: { 'A flannel server': { type: 'flannel_server', options: { address: '192.168.152.101:8080' } } },
    },
    NetworkRecord,
    { 409: 'It exists with other content' },
  ),
  deleting(
    { path: '/network/{name}', summary: 'Delete a network', params: { name: 'flannel' } },
    { 404: 'There is no such network' },
  ),
  reading({ path: '/containermanagers', summary: 'Names of container managers' }, Names),
  reading(
    {
      path: '/containermanager/{name}',
      summary: 'A container manager, with its token; null where it was forgotten',
      params: { name: 'openshift' },
    },
    ManagerRecord,
    { 404: 'There is no such container manager' },
  ),
  putting(
    {
      path: '/containermanager/{name}',
      summary: 'Configure a container manager',
      params: { name: 'openshift' },
      body: ManagerBody,
      examples: { OpenShift: { type: 'openshift', options: { apiserver: 'https://192.168.152.100:8443' } } },
    },
    ManagerRecord,
    { 409: 'It exists with other content' },
  ),
  deleting(
    { path: '/containermanager/{name}', summary: 'Remove a container manager', params: { name: 'openshift' } },
    { 404: 'There is no such container manager' },
  ),
]
