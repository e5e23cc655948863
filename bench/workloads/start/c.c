/* Nothing: what any program takes to start and end. */
int main(void)
{
    return 0;
}
