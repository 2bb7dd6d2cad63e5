import { createLocalLeadership } from '../../src/workers/leadership.ts'
import { createLocalLeases } from '../../src/workers/leases.ts'
import { leadershipContract } from '../contracts/leadership.ts'
import { leasesContract } from '../contracts/leases.ts'

leasesContract('one process', async () => {
  const leases = createLocalLeases()
  return [leases, leases]
})
leadershipContract('one process', async () => createLocalLeadership())
