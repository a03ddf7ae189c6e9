package linux

// Special key rings and operations of keyctl(2).
const (
	KEY_SPEC_THREAD_KEYRING              = -1
	KEY_SPEC_PROCESS_KEYRING             = -2
	KEY_SPEC_SESSION_KEYRING             = -3
	KEY_SPEC_USER_KEYRING                = -4
	KEY_SPEC_USER_SESSION_KEYRING        = -5
	KEY_SPEC_GROUP_KEYRING               = -6
	KEY_SPEC_REQKEY_AUTH_KEY             = -7
	KEY_SPEC_REQUESTOR_KEYRING           = -8
	KEY_REQKEY_DEFL_NO_CHANGE            = -1
	KEY_REQKEY_DEFL_DEFAULT              = 0
	KEY_REQKEY_DEFL_THREAD_KEYRING       = 1
	KEY_REQKEY_DEFL_PROCESS_KEYRING      = 2
	KEY_REQKEY_DEFL_SESSION_KEYRING      = 3
	KEY_REQKEY_DEFL_USER_KEYRING         = 4
	KEY_REQKEY_DEFL_USER_SESSION_KEYRING = 5
	KEY_REQKEY_DEFL_GROUP_KEYRING        = 6
	KEY_REQKEY_DEFL_REQUESTOR_KEYRING    = 7
	KEYCTL_GET_KEYRING_ID                = 0
	KEYCTL_JOIN_SESSION_KEYRING          = 1
	KEYCTL_UPDATE                        = 2
	KEYCTL_REVOKE                        = 3
	KEYCTL_CHOWN                         = 4
	KEYCTL_SETPERM                       = 5
	KEYCTL_DESCRIBE                      = 6
	KEYCTL_CLEAR                         = 7
	KEYCTL_LINK                          = 8
	KEYCTL_UNLINK                        = 9
	KEYCTL_SEARCH                        = 10
	KEYCTL_READ                          = 11
	KEYCTL_INSTANTIATE                   = 12
	KEYCTL_NEGATE                        = 13
	KEYCTL_SET_REQKEY_KEYRING            = 14
	KEYCTL_SET_TIMEOUT                   = 15
	KEYCTL_ASSUME_AUTHORITY              = 16
	KEYCTL_GET_SECURITY                  = 17
	KEYCTL_SESSION_TO_PARENT             = 18
	KEYCTL_REJECT                        = 19
	KEYCTL_INSTANTIATE_IOV               = 20
	KEYCTL_INVALIDATE                    = 21
	KEYCTL_GET_PERSISTENT                = 22
	KEYCTL_DH_COMPUTE                    = 23
	KEYCTL_RESTRICT_KEYRING              = 29
	KEYCTL_MOVE                          = 30
	KEYCTL_CAPABILITIES                  = 31
	KEYCTL_WATCH_KEY                     = 32
	KEYCTL_MOVE_EXCL                     = 1
	KEYCTL_CAPS0_CAPABILITIES            = 0x01
	KEYCTL_CAPS0_PERSISTENT_KEYRINGS     = 0x02
	KEYCTL_CAPS0_INVALIDATE              = 0x20
	KEYCTL_CAPS0_RESTRICT_KEYRING        = 0x40
	KEYCTL_CAPS0_MOVE                    = 0x80
	KEYCTL_CAPS1_NS_KEYRING_NAME         = 0x01
	KEYCTL_CAPS1_NS_KEY_TAG              = 0x02
)
