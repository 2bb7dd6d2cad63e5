import { createLocalLeadership } from '../../src/stores/embedded/leadership.ts'
import { createLocalLeases } from '../../src/stores/embedded/leases.ts'
import { leadershipContract } from '../contracts/leadership.ts'
import { leasesContract } from '../contracts/leases.ts'

leasesContract('one process', async () => {
  const leases = createLocalLeases()
  return [leases, leases]
})
leadershipContract('one process', async () => createLocalLeadership())
