package trap

// maxAnswered bounds the numbers of calls that the stub may answer.
const maxAnswered = 0x200
