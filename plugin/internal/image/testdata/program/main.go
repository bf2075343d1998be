// Command program stands for kubectl-tlsgw: it is built from the same module.
package main

func main() { println("hello") }
