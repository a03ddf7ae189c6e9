package kernel

// NetNamespace is a network (network_namespaces(7)): there is one.
type NetNamespace struct{ identity }
