/* When the journal syncs its file: [journal] sync. */
#ifndef SIGNET_CONFIG_SYNC_POLICY_H
#define SIGNET_CONFIG_SYNC_POLICY_H

enum sync_policy { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_NEVER };

#endif
