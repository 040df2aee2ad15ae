/* thread: any
 * limits.h - every built-in cap of the library, each with its reason.
 * What the operator may change is in config/schema.c instead. */
#ifndef MM_BASE_LIMITS_H
#define MM_BASE_LIMITS_H

/* RFC 5321 4.5.3.1.4 asks for 512; the extensions that we announce add
 * SIZE 26, BODY 16, SMTPUTF8 10, AUTH 500, RET/ENVID 110, NOTIFY/ORCPT 530;
 * AUTH responses (RFC 4954 4.) want 12288. Anything longer is no command. */
#define MM_LIMIT_SMTP_COMMAND 2048
#define MM_LIMIT_SMTP_AUTH_LINE 12290
/* RFC 5321 4.5.3.1.1 and .3 name 64 and 256 octets as the least that must be
 * taken, and want no fixed limit where one can be avoided. Real local parts
 * are longer: they carry another address (VERP, SRS, forwarding), or a token
 * (confirmations). A path may be a whole local part and a whole domain. */
#define MM_LIMIT_LOCAL_PART 256
#define MM_LIMIT_DOMAIN 255 /* RFC 5321 4.5.3.1.2, RFC 1035 2.3.4 */
#define MM_LIMIT_PATH (MM_LIMIT_LOCAL_PART + 1 + MM_LIMIT_DOMAIN + 2)
/* What a judge does beside its word, in one answer; and the fields that all
 * judges together write on one message. Each is a place in every session. */
#define MM_LIMIT_EFFECTS 8
/* A reply line: RFC 5321 4.5.3.1.5 says 512; servers break it, mildly. */
#define MM_LIMIT_REPLY_LINE 2048
/* What is kept of all lines of one reply together, EHLO's list included, and
 * what they may be as they come: more is no reply. */
#define MM_LIMIT_REPLY 16384
#define MM_LIMIT_REPLY_WHOLE 24576
#define MM_LIMIT_REPLY_LINES 128
/* What a session holds of its peer's bytes before it must consume them. */
#define MM_LIMIT_INPUT 65536
/* What a session may owe its peer; a peer that does not read gets no more. */
#define MM_LIMIT_OUTPUT 131072
/* One piece of a message body in the store. */
#define MM_LIMIT_CHUNK 65536
/* What is read and thrown away of a refused message, beyond the size that a
 * message may have, before the session hangs up: a body need not end. */
#define MM_LIMIT_DISCARD (64 * 1024 * 1024)
/* BDAT chunks (RFC 3030) below this size, and how many of them a message may
 * have: each costs a reply and a look at the table. */
#define MM_LIMIT_SMALL_CHUNK 512
#define MM_LIMIT_SMALL_CHUNKS 1024
/* RFC 1939 2 gives 40 for an argument, RFC 2449 4 gives 255 for a line; AUTH
 * (RFC 5034) needs more for its initial response. */
#define MM_LIMIT_POP3_COMMAND 255
/* USER, PASS, APOP: "PASS " and a password as long as AUTH takes, and CRLF. */
#define MM_LIMIT_POP3_LOGIN_LINE (5 + MM_LIMIT_PASSWORD + 2)
#define MM_LIMIT_POP3_AUTH_LINE 12290
/* User names and passwords; SCRAM and PLAIN alike. */
#define MM_LIMIT_USER_NAME 255
#define MM_LIMIT_PASSWORD 512
/* What a message on its way in to a session holds of its text whatever others
 * do: a piece of so many octets, and its header where that is no larger. And
 * what all of them hold together beyond that, in pieces of MM_LIMIT_CHUNK; a
 * quarter is for headers alone. While more than half of it is taken a message
 * has one piece, and sockets are read in pieces of the first size. What many
 * senders take in all is in docs/reliability.md. */
#define MM_LIMIT_TEXT_OWN 6144
#define MM_LIMIT_TEXTS (6 * 1024 * 1024)
/* The fields that we write in front of a message at its end: Received, Date,
 * From, Message-ID, results of checks. What is left of the first piece is the
 * message's own; a header that is larger goes on in the next pieces, edited
 * all the same. */
#define MM_LIMIT_FIELDS 8192
/* What judges may change in one message and its envelope, and the octets of
 * those changes together. Where a judge may change something, so much less of
 * the first piece is the message's own, and a header that goes on in the next
 * piece cannot be changed, only added to. */
#define MM_LIMIT_CHANGES 256
#define MM_LIMIT_CHANGES_OCTETS 16384
/* A body that a filter puts in the place of a message's, which it is kept in
 * until it is whole; beyond it the filter has failed. */
#define MM_LIMIT_NEW_BODY (32 * 1024 * 1024)
/* Milliseconds that a host may have a reply held back. */
#define MM_LIMIT_DELAY_MS 60000
/* Posts and octets of a mailing list's digest, which is written in memory. */
#define MM_LIMIT_DIGEST_POSTS 100
#define MM_LIMIT_DIGEST (4 * 1024 * 1024)
/* Octets of a user's forward file, and of a message as its conditions see it.
 */
#define MM_LIMIT_FORWARD_FILE (64 * 1024)
#define MM_LIMIT_FORWARD_TEXT (256 * 1024)
/* What all conditions of one file may cost, in steps for an octet. */
#define MM_LIMIT_FORWARD_COST 20000
/* Rules about content: what all of them may cost, in steps of patterns for an
 * octet (a worker has some seconds with the worst of 1 MiB), and the octets of
 * a message's recipients that they are shown. */
#define MM_LIMIT_CONTENT_COST 20000
#define MM_LIMIT_CONTENT_PATHS 65536
/* Addresses that stand for others, one after another, and all those that one
 * address may stand for. */
#define MM_LIMIT_RESOLVE_DEPTH 10
#define MM_LIMIT_TARGETS 1000
/* Senders who got an automatic reply, of one user, that are remembered: 150
 * octets each. */
#define MM_LIMIT_REPLIED 10000
/* MX records followed for one domain, and addresses for one host. */
#define MM_LIMIT_MX_HOSTS 32
#define MM_LIMIT_HOST_ADDRESSES 16
/* Hosts that may put one message off (4xx) in one attempt: a site that does so
 * as a whole (greylisting) is left for later. */
#define MM_LIMIT_REFUSING_HOSTS 5
/* What a host that was never seen to answer gets to do so, if the settings do
 * not say less: RFC 5321 4.5.3.2 asks for minutes, and a host that is known
 * gets them. */
#define MM_LIMIT_STRANGER_CONNECT_MS 10000
#define MM_LIMIT_STRANGER_GREETING_MS 30000
/* Mail hosts that are remembered: their connections, and whether they ever
 * answered. About 100 octets each. */
#define MM_LIMIT_KNOWN_HOSTS 16384
/* Networks whose logins, and addresses and senders whose mail of late, are
 * remembered: about 200 octets each. */
#define MM_LIMIT_KNOWN_NETWORKS 65536
#define MM_LIMIT_RATES 65536
/* Destinations whose messages are counted (queue.messages_max); past it those
 * that were served least lately begin anew. */
#define MM_LIMIT_PACES 16384
/* What the store remembers of peers for a time: greylisting, traps, hashes of
 * refused bodies. About 250 octets each. */
#define MM_LIMIT_SIGHTINGS 200000
/* Octets of a body without its white space: shorter ones are remarks that many
 * people write, and are not remembered as spam. */
#define MM_LIMIT_SPAM_BODY_MIN 256
/* Logins that were proved lately (logins.cache); past it the one that was
 * proved first is forgotten. About 250 octets each. */
#define MM_LIMIT_CACHED_LOGINS 32768
/* Rounds of the hash of a password (RFC 7677 4 asks for at least 4096): more
 * than the most would let a server that we log in at, or an operator's slip,
 * have the processor. */
#define MM_LIMIT_PASSWORD_ROUNDS_MIN 4096
#define MM_LIMIT_PASSWORD_ROUNDS 200000
/* Octets of the messages that a POP3 session reads ahead of its client, and of
 * those of all sessions; beyond it they are read when they are asked for. And
 * how long they are good for: somebody else may have removed one meanwhile. */
#define MM_LIMIT_AHEAD ((size_t)65536)
#define MM_LIMIT_AHEAD_ALL ((size_t)32 * 1024 * 1024)
#define MM_LIMIT_AHEAD_MS 3000
/* Networks with a password check that waits: more than there are sessions. */
#define MM_LIMIT_WAITING_NETWORKS (1 << 20)
/* Each is a query for every connection. */
#define MM_LIMIT_DNSBL_ZONES 16
/* What a mailbox session keeps is 24 octets an entry. */
#define MM_LIMIT_MAILBOX_ENTRIES 4000000
/* Messages of one mailbox elsewhere, and those of it that are remembered: 128
 * octets each while a session runs. */
#define MM_LIMIT_FETCH_MESSAGES 200000
/* Domains of recipients over one connection that are remembered for a host that
 * takes so many and no more (RFC 9422 RCPTDOMAINMAX). */
#define MM_LIMIT_SESSION_DOMAINS 32
/* How long a reply such as greylisting's may put the next attempt off: more is
 * no delay of a stranger but a mistake, or meant to hold mail up. */
#define MM_LIMIT_ASKED_WAIT_MS (60 * 60 * 1000)
/* Of a token to log in with (RFC 6750), whose message is a line of
 * MM_LIMIT_POP3_AUTH_LINE in base64. */
#define MM_LIMIT_TOKEN 8000
/* Addresses that one of them is for, and octets of the fields that say so. */
#define MM_LIMIT_FETCH_RECIPIENTS 100
#define MM_LIMIT_FETCH_FIELDS 65536
/* A session that is kept busy with little (a server that gives an octet a
 * minute) ends; the next one goes on where it was. */
#define MM_LIMIT_FETCH_SESSION_MS (UINT64_C(4) * 3600 * 1000)

#endif
