/*
 * What the service manager is told (sd_notify(3), its documented protocol): a datagram of NAME=value lines to the socket
 * that $NOTIFY_SOCKET names. Without that variable nothing is said. Any thread; waits for nobody.
 */
#ifndef SIGNET_BASE_NOTIFY_H
#define SIGNET_BASE_NOTIFY_H

void notify_manager(const char *lines); /* a failure is logged: nothing depends on it */
void notify_reloading(void);            /* RELOADING=1 with its time; READY=1 must follow */

#endif
