import { benchHotPath } from './hot-path.mjs';
import { benchColdCallers, benchListing, benchRenewals } from './replicas.mjs';

await benchHotPath();
await benchColdCallers();
await benchRenewals();
await benchListing();
process.exit();
