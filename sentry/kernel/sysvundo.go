package kernel

// undoList is what System V semaphores give back when a process ends (SEM_UNDO).
type undoList struct{}

func (t *Task) shareUndo(with *Task) {}
func (t *Task) dropUndo()            {}
func (t *Task) dropUndoOfMM()        {}
