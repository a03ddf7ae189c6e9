package kernel

func (t *Task) exit() {}
