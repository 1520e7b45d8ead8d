/* `signet ui link` and `signet ui hash-password`: how somebody gets into the pages (ui §7). argv without the program and
 * the two words; the exit status. */
#ifndef SIGNET_UI_SIGN_IN_MAIN_H
#define SIGNET_UI_SIGN_IN_MAIN_H

int ui_link_main(int argc, char **argv);
int ui_hash_password_main(int argc, char **argv);

#endif
